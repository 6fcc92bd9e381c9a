"""Job → record, one template for every setting: copies, seals, fingerprints, clocks, and a broad `except`.

A setting says what there is to draw, to fit and to evaluate; here it is seen to that no model comes upon what
it is scored on, changes what others are fitted to, or is timed beside its neighbours.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from jslds_bench.entries.options import unswitched
from jslds_bench.entries.registry import METRICS, MODELS, NETWORKS, TASKS
from jslds_bench.errors import Unsupported, UsageError, said
from jslds_bench.records.record import LAST, Record, Value, is_time
from jslds_bench.runner.clock import Parts, StopWatch, timed
from jslds_bench.runner.outcome import NetworkFailed, blank_record, outcome
from jslds_bench.settings.base import Setting
from jslds_bench.settings.draws import PEEKED, fingerprint, making_a_network, own_copy, purpose_key, sealed
from jslds_bench.suite.job import Job
from jslds_bench.types.core import Accountable, Network, Progress
from jslds_bench.types.networks import reads

SHARED = "void: others computed on the machine (--shared)"
Quiet = Callable[[], AbstractContextManager[None]]


@dataclasses.dataclass(frozen=True)
class Made:
    """A network and how it was come by.

    Attributes:
        seconds: what making it cost: its share, where several were made together.
        cached: whether it was made before.
        together: how many were made as one program.
    """

    network: Network
    seconds: float
    cached: bool = False
    together: int = 1


Keep = Callable[[Job, Callable[[], Network]], Made]
"""(job, maker) → its network."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What the jobs of one (task, network, seed) share.

    Attributes:
        shared: of the setting.
        made: where there is a network.
    """

    setting: Setting[Any, Any]
    shared: Any
    made: Made | None


def prepare(job: Job, setting: Setting[Any, Any], keep: Keep, parts: Parts, progress: Progress) -> Prepared:
    """The job's network, where there is one, and what its setting draws before a fit."""
    with unswitched(Unsupported):
        task = job.task.made(TASKS)
    made = None
    if setting.needs_network:

        def make() -> Network:
            source = job.network.made(NETWORKS)
            key = purpose_key(job.seed, "network")
            with making_a_network():
                network = source.build(setting.describe(task), key, progress)
            job.network.check_sources(source)  # after it was read, and before it is kept
            job.task.check_sources(task)
            return network

        try:
            with parts("network"), unswitched(Unsupported):
                made = keep(job, make)
        except (Exception, SystemExit) as error:
            raise NetworkFailed from error
    with parts("preparing"), unswitched(Unsupported):
        network = None if made is None else made.network
        prepared = Prepared(setting, setting.prepare(task, network, job.seed, progress), made)
        job.task.check_sources(task)
        return prepared


def run_job(
    job: Job,
    prepared: Prepared,
    environment: dict[str, Any],
    quiet: Quiet | None,
    parts: Parts,
    progress: Progress,
) -> tuple[Record, dict[str, np.ndarray]]:
    """Fits, evaluates, times and measures one model; any failure becomes the record's status and reason.

    Args:
        quiet: silences the machine; None where others compute on it, so that speeds are not measured.
        parts: of the job's time; of the first job of several that of what they share is in it.
    """
    try:
        with unswitched(Unsupported):
            return _run(job, prepared, environment, quiet, parts, progress)
    except (Exception, SystemExit) as error:
        status, reason = outcome(error)
        return blank_record(job, status, reason, environment), {}


def _run(
    job: Job, p: Prepared, environment: dict[str, Any], quiet: Quiet | None, parts: Parts, progress: Progress
) -> tuple[Record, dict[str, np.ndarray]]:
    setting, shared = p.setting, p.shared
    with parts("fitting"):
        model = job.model.made(MODELS)
        fitted, fit_seconds = fit(model, setting, shared, job.seed, progress)
        job.model.check_sources(model)
    progress(0, 1, "evaluating")
    with parts("evaluating"):
        # Drawn here, so that no model can come upon it while it is fitted.
        held_out = setting.held_out(shared, job.seed, job.n_trials)
        job.task.check_sources(shared.task)  # it may be read again there
        with sealed() as asked:
            evaluated = setting.evaluate(fitted, shared, held_out, job.seed)
    if asked:
        raise Unsupported(PEEKED)
    rates: dict[str, float] = {}
    timing: dict[str, Any] = {"gemm_flops": None}
    void: str | None = SHARED
    if quiet is not None:
        with parts("measuring speeds"):
            watch = StopWatch(quiet)
            rates = setting.time(fitted, shared, evaluated, job.seed, watch)
            timing = {"gemm_flops": watch.products(), "others": watch.others}
            if void := watch.void():
                rates, timing["gemm_flops"] = {}, None
    cost = {} if p.made is None else {"network_seconds": p.made.seconds}
    come_by = {} if p.made is None else {"network_cached": p.made.cached, "network_batch": p.made.together}
    evaluated = dataclasses.replace(evaluated, timings={**cost, "fit_seconds": fit_seconds, **rates})
    lost = setting.diverged(evaluated)
    divergence = f"{lost.sum()} of {len(lost)} trials diverged"
    with parts("metrics"):
        values = {name: _value(name, evaluated, setting, divergence, void) for name in job.metrics}
    with parts("figures"):
        series, arrays = setting.series(fitted, evaluated), setting.arrays(fitted, shared, evaluated)
    timing |= {**come_by, "parts": parts.seconds(), "programs_read": parts.programs_read()}
    record = dataclasses.replace(
        blank_record(job, "ok", None, environment),
        values=values,
        series=series,
        detail={
            **setting.detail(shared, evaluated),
            "n_scored": len(lost),
            "n_diverged": int(lost.sum()),
            **({"fitted_to": fitted.fitted_to()} if isinstance(fitted, Accountable) else {}),
            "timing": timing,
        },
    )
    return record, arrays


def fit(
    model: Any, setting: Setting[Any, Any], shared: Any, seed: int, progress: Progress
) -> tuple[Any, float]:
    """The fitted model and the seconds that it took (`clock.timed`).

    The model gets data of its own and a description of its task: what it does to them reaches no other job.

    Raises:
        Unsupported: it changed what it was given, or an option of JAX for all, or asked for what it is
            scored on.
    """
    given = own_copy(setting.given(shared))
    before = {what: fingerprint(part) for what, part in given.items()}
    task, key = setting.describe(shared.task), purpose_key(seed, "model")
    with unswitched(Unsupported), sealed() as asked:
        fitted, seconds = timed(lambda: setting.fit(model, task, given, key, progress))
    if asked:
        raise Unsupported(PEEKED)
    for what, part in given.items():
        if fingerprint(part) != before[what]:
            raise Unsupported(f"the model changed the {what} that it was given")
    return fitted, seconds


def _value(name: str, evaluated: Any, setting: Setting[Any, Any], divergence: str, void: str | None) -> Value:
    """The outcome of one metric, with what the metric says of itself.

    `void`: why speeds were not measured.
    """
    try:
        metric = METRICS.make(name, {})
    except UsageError as error:  # its plug-in does not import
        return Value(None, "1", "none", said(error))
    place = (
        getattr(metric, "family", "other"),
        getattr(metric, "order", LAST),
        getattr(metric, "headline", False),
    )
    if not reads(metric, setting.evaluation):
        return Value(None, metric.unit, metric.better, f"it is no metric of {setting.about}", *place)
    try:
        value = float(metric.compute(evaluated))
    except Unsupported as error:
        why = void if void and is_time(metric.unit) else said(error)
        return Value(None, metric.unit, metric.better, why, *place)
    reason = None if math.isfinite(value) else f"not finite: {divergence}"
    return Value(value, metric.unit, metric.better, reason, *place)
