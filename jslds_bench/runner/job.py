"""Job → record: the only clock of the package, and a broad `except` round what entries do."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import statistics
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jslds_bench.dynamics.rollout import free_run
from jslds_bench.entries.registry import METRICS, MODELS, NETWORKS, TASKS, Registry
from jslds_bench.errors import Diverged, Unsupported, UsageError
from jslds_bench.records.record import Record, Status, Value
from jslds_bench.runner import cache
from jslds_bench.runner.machine import code_digest, gemm_rate
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.settings.networks.arrays import figure_arrays, series
from jslds_bench.settings.recordings.evaluation import draw_recordings, evaluate_recorded, recorded_arrays
from jslds_bench.settings.spikes.evaluation import draw_spikes, evaluate_spikes, spike_arrays
from jslds_bench.suite import DATA, Job
from jslds_bench.types.core import Linearization, Network, Progress
from jslds_bench.types.networks import Evaluation, Model, Task, reads
from jslds_bench.types.recordings import RecordedEvaluation, RecordedTask, Recording
from jslds_bench.types.spikes import SpikeEvaluation, SpikeTask, SpikeTrials

MAKERS = (
    "dynamics",
    "tasks",
    "networks",
    "models",
    "metrics",
    "switching",
    "nwb",
    "settings",
    "lfads",
    "analysis",
    "types",
    "runner.job",
)
Quiet = Callable[[], AbstractContextManager[None]]
AnyEvaluation = Evaluation | RecordedEvaluation | SpikeEvaluation
KINDS = {Evaluation: "a network", RecordedEvaluation: "recorded data", SpikeEvaluation: "spikes"}


@dataclasses.dataclass(frozen=True)
class PreparedRecording:
    """What the jobs of one (recorded task, seed) share."""

    task: RecordedTask
    recording: Recording
    held_out: Recording


@dataclasses.dataclass(frozen=True)
class PreparedSpikes:
    """What the jobs of one (spike task, seed) share."""

    task: SpikeTask
    fit: SpikeTrials
    held_out: SpikeTrials


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What the jobs of one (task, network, seed) share."""

    task: Task
    network: Network
    network_seconds: float
    cached: bool
    fit_trials: Any
    reference: list[Any]


AnyPrepared = Prepared | PreparedRecording | PreparedSpikes


def digest(job: Job, plugins: tuple[str, ...]) -> str:
    """Hash of everything that decides the job's outcome, this project's code and plug-ins included."""
    content = {
        "parameters": parameters(job),
        "sources": _sources(job),
        "seed": job.seed,
        "n_trials": job.n_trials,
        "metrics": job.metrics,
        "code": code_digest(*MAKERS),
        "plugins": [hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in plugins],
        "jax": jax.__version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]


def parameters(job: Job) -> dict[str, Any]:
    """Entry names and all parameters of the job, defaults included."""
    out = {}
    registries: dict[str, Registry[Any]] = {"task": TASKS, "network": NETWORKS, "model": MODELS}
    for kind, registry in registries.items():
        entry = getattr(job, kind)
        if entry is DATA:
            out[kind] = {"name": DATA.name}
            continue
        if entry.broken is not None:
            out[kind] = {"name": entry.name, **entry.parameters}
            continue
        made: Any = registry.make(entry.name, entry.parameters)
        out[kind] = {"name": entry.name, **dataclasses.asdict(made)}
    return out


def _sources(job: Job) -> dict[str, Any]:
    """What the job's task and network read, where they say: a file may change under its name.

    Raises:
        UsageError: such a file was not named, or cannot be read.
    """
    sources = {}
    for kind, registry, entry in (("task", TASKS, job.task), ("network", NETWORKS, job.network)):
        made: Any = None if entry is DATA or entry.broken else registry.make(entry.name, entry.parameters)
        if hasattr(made, "sources"):
            try:
                sources[kind] = made.sources()
            except UsageError:
                raise
            except Exception as error:  # of a plug-in: the job's own to fail with
                sources[kind] = outcome(error)
    return sources


def blank_record(
    job: Job, status: Status, reason: str | None, environment: dict[str, Any], digest: str
) -> Record:
    """A record without values: what is written for a job that did not come to an end."""
    setting = "networks" if job.network is not DATA else "recordings"
    return Record(
        job.suite, *job.key, parameters(job), status, reason, {}, {}, {}, environment, digest, setting
    )


def prepare(job: Job, environment: dict[str, Any], fresh: bool, progress: Progress) -> AnyPrepared:
    """The job's network (cached or made), its trials and the network's fixed points; or its recording."""
    task = TASKS.make(job.task.name, job.task.parameters)
    if job.network is DATA:
        progress(0, 1, "drawing the recording")
        if isinstance(task, SpikeTask):
            return PreparedSpikes(task, *draw_spikes(task, job.seed))
        return PreparedRecording(task, *draw_recordings(task, job.seed))
    source = NETWORKS.make(job.network.name, job.network.parameters)
    key = cache.network_key(task, source, job.seed, environment)
    kept = None if fresh else cache.load(key)
    if kept is None:
        start = time.process_time()
        network = source.build(task, ev.purpose_key(job.seed, "network"), progress)
        jax.block_until_ready(network.params)
        seconds = time.process_time() - start
        cache.save(key, network, seconds)
    else:
        network, seconds = kept
    progress(0, 1, "reference fixed points")
    return Prepared(
        task,
        network,
        seconds,
        kept is not None,
        ev.draw_trials(task, job.seed, "fit", ev.N_FIT_TRIALS),
        ev.reference_points(task, network, job.seed),
    )


def run_job(
    job: Job,
    prepared: AnyPrepared,
    environment: dict[str, Any],
    digest: str,
    quiet: Quiet,
    progress: Progress,
) -> tuple[Record, dict[str, np.ndarray]]:
    """Fits, evaluates, times and measures one model; any failure becomes the record's status and reason."""
    runs: dict[type, Callable[..., Any]] = {
        Prepared: _run,
        PreparedRecording: _run_recorded,
        PreparedSpikes: _run_spikes,
    }
    try:
        return runs[type(prepared)](job, prepared, environment, digest, quiet, progress)
    except Exception as error:
        status, reason = outcome(error)
        return blank_record(job, status, reason, environment, digest), {}


def outcome(error: BaseException) -> tuple[Status, str]:
    """Status and one-line reason for what a job raised; unforeseen errors name their place."""
    if isinstance(error, Diverged):
        return "diverged", str(error)
    if isinstance(error, Unsupported | UsageError):
        return "failed", str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    text = " ".join(str(error).split())
    return "failed", f"{type(error).__name__}{place}: {text[:300]}"


def _run(
    job: Job, p: Prepared, environment: dict[str, Any], digest: str, quiet: Quiet, progress: Progress
) -> tuple[Record, dict[str, np.ndarray]]:
    model = MODELS.make(job.model.name, job.model.parameters)
    fitted, fit_seconds = _fit(model, p, job.seed, progress)
    progress(0, 1, "evaluating")
    # Drawn here, so that no model can come upon them while it is fitted.
    trials = ev.draw_trials(p.task, job.seed, "evaluation", job.n_trials)
    with ev.sealed() as asked:
        evaluated = ev.evaluate(p.task, p.network, fitted, trials, p.reference, job.seed)
    if asked:
        raise Unsupported(ev.PEEKED)
    with quiet():
        rates = _timings(fitted, p.network, evaluated, job.seed)
        gemm = gemm_rate(repeats=3)
    timings = {"network_seconds": p.network_seconds, "fit_seconds": fit_seconds, **rates}
    evaluated = dataclasses.replace(evaluated, timings=timings)
    diverged = ev.n_diverged(evaluated)
    record = dataclasses.replace(
        blank_record(job, "ok", None, environment, digest),
        values=_values(job, evaluated, f"{diverged} of {len(evaluated.states)} free runs diverged"),
        series=series(fitted, evaluated),
        detail={
            "n_trials": len(evaluated.states),
            "n_diverged": diverged,
            "n_network_points": [len(r.points) for r in p.reference],
            "n_model_points": None if evaluated.found is None else [len(x) for x in evaluated.found],
            "network_history": {k: float(v[-1]) for k, v in p.network.history.items()},
            "timing": {"gemm_flops": gemm, "network_cached": p.cached},
        },
    )
    return record, figure_arrays(p.network, fitted, evaluated)


def _run_recorded(
    job: Job, p: PreparedRecording, environment: dict[str, Any], digest: str, quiet: Quiet, progress: Progress
) -> tuple[Record, dict[str, np.ndarray]]:
    model: Any = MODELS.make(job.model.name, job.model.parameters)
    start = time.process_time()
    fitted = model.fit_recording(p.task, p.recording, ev.purpose_key(job.seed, "model"), progress)
    fit_seconds = time.process_time() - start
    progress(0, 1, "evaluating")
    evaluated = evaluate_recorded(fitted, p.recording, p.held_out)
    iterate = fitted.iteration()
    with quiet():
        seconds = _seconds(iterate)
        gemm = gemm_rate(repeats=3)
    timings = {"fit_seconds": fit_seconds, "seconds_per_iteration": seconds}
    evaluated = dataclasses.replace(evaluated, timings=timings)
    record = dataclasses.replace(
        blank_record(job, "ok", None, environment, digest),
        values=_values(job, evaluated, "the model diverged"),
        series=fitted.fit_series(),
        detail={
            "n_trials": len(p.recording.observations),
            "n_held_out": len(p.held_out.observations),
            "timing": {"gemm_flops": gemm},
        },
    )
    return record, recorded_arrays(fitted, evaluated)


def _run_spikes(
    job: Job, p: PreparedSpikes, environment: dict[str, Any], digest: str, quiet: Quiet, progress: Progress
) -> tuple[Record, dict[str, np.ndarray]]:
    model: Any = MODELS.make(job.model.name, job.model.parameters)
    start = time.process_time()
    fitted = model.fit_spikes(p.task, p.fit, ev.purpose_key(job.seed, "model"), progress)
    fit_seconds = time.process_time() - start
    progress(0, 1, "evaluating")
    evaluated = evaluate_spikes(fitted, p.fit, p.held_out, job.seed)
    with quiet():
        gemm = gemm_rate(repeats=3)
    evaluated = dataclasses.replace(evaluated, timings={"fit_seconds": fit_seconds})
    record = dataclasses.replace(
        blank_record(job, "ok", None, environment, digest),
        values=_values(job, evaluated, "the model diverged"),
        series=fitted.fit_series(),
        detail={
            "n_trials": len(p.fit.counts),
            "n_held_out": len(p.held_out.counts),
            "n_units": p.fit.counts.shape[-1],
            "n_held_out_units": int(p.fit.held_out_units.sum()),
            "timing": {"gemm_flops": gemm},
        },
    )
    return record, spike_arrays(fitted, evaluated)


def _fit(model: Model, p: Prepared, seed: int, progress: Progress) -> tuple[Linearization, float]:
    """The fitted model and the processor seconds it took; a changed network is an error.

    The model gets a network and trials of its own: what it does to them reaches no other job.
    """
    network, trials, key = ev.copied(p.network), ev.read_only(p.fit_trials), ev.purpose_key(seed, "model")
    before = _fingerprint(network)
    start = time.process_time()
    with ev.sealed() as asked:
        fitted = model.fit(p.task, network, trials, key, progress)
    if asked:
        raise Unsupported(ev.PEEKED)
    jax.block_until_ready([leaf for leaf in jax.tree.leaves(fitted) if isinstance(leaf, jax.Array)])
    seconds = time.process_time() - start
    if _fingerprint(network) != before:
        raise Unsupported("the model changed the frozen network that it was given")
    return fitted, seconds


def _fingerprint(network: Network) -> bytes:
    hasher = hashlib.sha256()
    for leaf in jax.tree.leaves((network.params, network.h0, network.readout, network.expansion)):
        hasher.update(np.asarray(leaf).tobytes())
    return hasher.digest()


def _values(job: Job, evaluated: AnyEvaluation, divergence: str) -> dict[str, Value]:
    """The metrics that the job asks for; of all, those that read its kind of evaluation."""
    names = job.metrics
    if names is None:
        names = tuple(n for n in METRICS.registered() if reads(METRICS.get(n), type(evaluated)))
    return {name: _value(name, evaluated, divergence) for name in names}


def _value(name: str, evaluated: AnyEvaluation, divergence: str) -> Value:
    try:
        metric = METRICS.make(name, {})
    except UsageError as error:  # its plug-in does not import
        return Value(None, "1", "none", str(error))
    if not reads(metric, type(evaluated)):
        other = " or ".join(name for kind, name in KINDS.items() if reads(metric, kind))
        return Value(None, metric.unit, metric.better, f"it is a metric of {other}")
    try:
        value = float(metric.compute(evaluated))
    except Unsupported as error:
        return Value(None, metric.unit, metric.better, str(error))
    reason = None
    if not math.isfinite(value):
        reason = f"not finite: {divergence}"
    return Value(value, metric.unit, metric.better, reason)


def _timings(fitted: Linearization, network: Network, evaluated: Evaluation, seed: int) -> dict[str, float]:
    """Rates of the free run and of forming linear systems, and the time to compile the former."""
    trials = evaluated.trials
    args = (network.h0, trials.inputs, trials.u_star)
    start = time.perf_counter()
    compiled = ev.compiled(free_run, fitted, *args)
    out = {"compile_seconds": time.perf_counter() - start}
    n_steps = trials.inputs.shape[0] * trials.inputs.shape[1]
    out["steps_per_second"] = n_steps / _seconds(compiled)
    if evaluated.local is not None:
        h, u, star, _ = ev.samples(trials, evaluated.states, evaluated.u_stars, seed)
        local = ev.on_model(ev.local_at, fitted)
        out["jacobians_per_second"] = len(h) / _seconds(lambda: local(h, u, star))
    return out


def _seconds(call: Callable[[], Any], budget: float = 0.3) -> float:
    """Median seconds of `call`, warmed once, over at least three runs and about `budget` seconds."""
    jax.block_until_ready(call())
    taken: list[float] = []
    while len(taken) < 3 or (sum(taken) < budget and len(taken) < 50):
        start = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
