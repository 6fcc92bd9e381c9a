"""Settings: the kinds of data that models are fitted to, each an object in one place.

A setting says which tasks are its own and which models serve them, draws what a fit may see and what it is
scored on, and evaluates. What is common to all (copies, seals, fingerprints, clocks, records) is the job's
template, `runner.job`. A setting more is a module here, one in `report.settings`, one in `contract.settings`,
and its name in `NAMES`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jslds_bench.settings.base import Setting

NAMES = ("networks", "recordings", "spikes")


def of(name: str) -> Setting:
    """The setting called `name`, one of `NAMES`. Imports JAX."""
    return importlib.import_module(f"{__name__}.{name}").SETTING


def every() -> list[Setting]:
    """All settings, in the order of `NAMES`."""
    return [of(name) for name in NAMES]


def why_unowned(task: Any) -> str:
    """Why `task` is one of no setting: what it lacks of the kind that it is most of, or of all."""

    def nearness(setting: Setting) -> tuple[int, int]:
        has, lacking = setting.lacks(task)
        return len(has), -len(lacking)

    nearest = max(every(), key=nearness)
    kinds, needs = ([nearest], "also needs") if nearness(nearest)[0] else (every(), "needs")
    said = [f"a task for {kind.about} {needs} {_listed(kind.lacks(task)[1])}" for kind in kinds]
    return f"a task of no setting: {'; '.join(said)} (see jslds_bench.types)"


def _listed(words: list[str]) -> str:
    """As in "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
