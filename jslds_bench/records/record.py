"""What became of one job, as the runner writes it and everything else reads it."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

LAST = 1000
"""The place in tables of a metric that does not say its own."""
Status = Literal["ok", "failed", "diverged", "timeout", "unsupported"]


ORIGINS = ("version", "commit", "jax", "numpy", "cpu", "device", "threads", "batched")
"""Of an environment what one asks first where numbers differ."""


def is_time(unit: str) -> bool:
    """Whether values of the unit are times or rates: no two runs have the same."""
    return unit == "s" or unit.endswith("/s")


@dataclasses.dataclass(frozen=True)
class Value:
    """One metric's outcome. `value` is None where it is not available, and `reason` then says why.

    Infinities and NaN are kept: a diverged error is inf, never dropped.

    Attributes:
        family, order, headline: what the metric says of its place in tables: what it belongs to, its rank
            (the least comes first), and whether it is shown before one asks for all.
    """

    value: float | None
    unit: str
    better: str
    reason: str | None = None
    family: str = "other"
    order: int = LAST
    headline: bool = False


@dataclasses.dataclass(frozen=True)
class Record:
    """What became of one job.

    Attributes:
        suite, task, network, model: labels; together with `seed` they name the job.
        parameters: entry name and parameters of task, network and model, as resolved.
        status: ok, or what went wrong; `reason` then says it in one line.
        values: metric name → Value.
        series: metric-like sequences for figures, e.g. error by horizon (name → list of floats).
        detail: other facts worth keeping (loss history's last values, counts of fixed points …).
        environment: commit, versions, device, threads (`runner.machine.environment`).
        digest: hash of everything that decides the job's outcome; a resumed run trusts only equal ones.
        setting: the kind of data that the model was fitted to (`jslds_bench.settings`).
        origin: of the task's data: synthetic, recorded or real; empty where the task does not say.
        caption: a sentence of the task about its data, for figures; empty where it has none.
        arrays: sha256 of the file of its figure arrays, empty where it has none; the store says it. None:
            it was written before schema 3, which told no more than that a file lay beside.
    """

    suite: str
    task: str
    network: str
    model: str
    seed: int
    parameters: dict[str, Any]
    status: Status
    reason: str | None
    values: dict[str, Value]
    series: dict[str, list[float]]
    detail: dict[str, Any]
    environment: dict[str, Any]
    digest: str
    setting: str
    origin: str = ""
    caption: str = ""
    arrays: str | None = None

    @property
    def key(self) -> tuple[str, str, str, int]:
        return (self.task, self.network, self.model, self.seed)
