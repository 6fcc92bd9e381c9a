"""Networks: a model is fitted to a frozen network and its trials, and follows it on others."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool

from jslds_bench.dynamics.rollout import free_run
from jslds_bench.settings.base import Clock, Setting
from jslds_bench.settings.draws import without_held_out
from jslds_bench.settings.networks import arrays
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.settings.networks.calls import local_at, on_model, timed_call
from jslds_bench.types.core import FixedPoints, Network, Progress, Trials
from jslds_bench.types.networks import Evaluation, Task


@dataclasses.dataclass(frozen=True)
class Shared:
    """What the jobs of one (task, network, seed) share; `reference`: the network's own fixed points."""

    task: Task
    network: Network
    fit_trials: Trials
    reference: list[FixedPoints]


class Networks(Setting[Shared, Evaluation]):
    """A task that networks learn, a network that learned it, and models of the network."""

    name = "networks"
    about = "networks"
    task = Task
    fits = "fit"
    evaluation = Evaluation
    needs_network = True
    shares = True

    def why_unsupported(self, task: Any, network: Any, model: Any) -> str | None:
        ask = getattr(model, "unsupported", None)
        return None if ask is None else ask(without_held_out(task), network)

    def describe(self, task: Task) -> Task:
        """The task itself, which makes trials of any key, but for those that it holds out."""
        return without_held_out(task)

    def prepare(self, task: Task, network: Network | None, seed: int, progress: Progress) -> Shared:
        assert network is not None
        progress(0, 1, "reference fixed points")
        trials = ev.draw_trials(task, seed, "fit", ev.N_FIT_TRIALS)
        return Shared(task, network, trials, ev.reference_points(task, network, seed))

    def given(self, shared: Shared) -> dict[str, Any]:
        return {"frozen network": shared.network, "trials": shared.fit_trials}

    def held_out(self, shared: Shared, seed: int, n_trials: int) -> Trials:
        return ev.draw_trials(shared.task, seed, "evaluation", n_trials)

    def evaluate(self, fitted: Any, shared: Shared, held_out: Trials, seed: int) -> Evaluation:
        return ev.evaluate(shared.task, shared.network, fitted, held_out, shared.reference, seed)

    def diverged(self, evaluation: Evaluation) -> Bool[np.ndarray, " B"]:
        return ~np.isfinite(evaluation.free_run).all(axis=(1, 2))

    def time(
        self, fitted: Any, shared: Shared, evaluation: Evaluation, seed: int, clock: Clock
    ) -> dict[str, float]:
        """Rates of the free run and of forming linear systems, and the time to compile the former."""
        trials = evaluation.trials
        args = (evaluation.states[:, 0], trials.inputs, trials.u_star)  # as it was evaluated
        run, compile_seconds = timed_call(free_run, fitted, args, clock)
        n_steps = trials.inputs.shape[0] * trials.inputs.shape[1]
        counts, calls = {"steps_per_second": n_steps}, {"steps_per_second": run}
        if evaluation.local is not None:
            h, u, star, _ = ev.samples(trials, evaluation.states, evaluation.u_stars, seed)
            local = on_model(local_at, fitted)
            counts["jacobians_per_second"] = len(h)
            calls["jacobians_per_second"] = lambda: local(h, u, star)
        seconds = clock.seconds(**calls)
        return {"compile_seconds": compile_seconds, **{name: n / seconds[name] for name, n in counts.items()}}

    def series(self, fitted: Any, evaluation: Evaluation) -> dict[str, list[float]]:
        return arrays.series(fitted, evaluation)

    def detail(self, shared: Shared, evaluation: Evaluation) -> dict[str, Any]:
        return {
            "n_trials": len(evaluation.states),
            "n_fit_trials": len(shared.fit_trials.inputs),
            "n_scored_different": ev.n_different(evaluation.trials),
            "n_scored_seen": ev.seen_before(evaluation.trials, shared.fit_trials),
            "n_network_points": [len(r.points) for r in shared.reference],
            "reference_completeness": [r.completeness for r in shared.reference],
            "n_model_points": None if evaluation.found is None else [len(x) for x in evaluation.found],
            "u_star_names": list(getattr(shared.task, "u_star_names", ())),
            "network_history": {k: float(v[-1]) for k, v in shared.network.history.items()},
        }

    def arrays(self, fitted: Any, shared: Shared, evaluation: Evaluation) -> dict[str, np.ndarray]:
        return arrays.figure_arrays(shared.task, shared.network, fitted, evaluation)


SETTING = Networks()
