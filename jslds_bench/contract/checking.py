"""All rules of an entry's kind, on all that they are checked on."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from jslds_bench.contract import metric, model, network, recording, spike_model, spiking, task
from jslds_bench.contract.cases import CASES, checkpoint_file, small_case, smoke
from jslds_bench.contract.entry import entry_faults
from jslds_bench.contract.fitting import fit_to
from jslds_bench.contract.words import Finding, attempt, listed, one_line
from jslds_bench.suite import registries
from jslds_bench.types.core import Progress, silent
from jslds_bench.types.networks import Evaluation, reads

METRIC_MODELS = ("fixed_points", "persistence")
"""What a metric is checked on: a model that answers everything, and one that has no fixed points."""


@dataclasses.dataclass
class Outcome:
    """What a check came to.

    Attributes:
        findings: what is wrong; empty: the entry keeps its contract.
        notes: what was not checked, and why.
        n_rules: how many rules were looked at, each on every network that it is checked on.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    n_rules: int = 0


def check(
    kind: str,
    name: str,
    progress: Progress = silent,
    *,
    cases: Sequence[str] = CASES,
    secret: int | None = None,
) -> Outcome:
    """The contract of `kind` ("tasks", "networks", "models", "metrics") on the entry called `name`.

    Args:
        cases: the networks that models and metrics are checked on.
        secret: seed of the trials that a model is compared on; by default from the system's randomness.

    Raises:
        UsageError: there is no such entry.
    """
    registries()[kind].get(name)
    rules = {"tasks": len(task.RULES), "networks": len(network.RULES)}
    rules["models"] = len(cases) * len(model.RULES)
    if kind == "models" and spike_model.fits_spikes(registries()[kind].get(name)):
        described = hasattr(registries()[kind].get(name), "fit")
        rules["models"] = described * rules["models"] + len(spike_model.RULES)
    rules["metrics"] = len(cases) * len(METRIC_MODELS) * len(metric.RULES)
    watch = _Watch(Outcome(), progress, 1 + rules[kind], cases, secret)
    if watch.holds(kind[:-1], "entry", entry_faults, kind, name):
        _CHECKS[kind](name, watch)
    else:
        watch.outcome.notes.append("nothing more was checked: mend this first")
    return watch.outcome


@dataclasses.dataclass
class _Watch:
    """Runs one rule after another and keeps what they find."""

    outcome: Outcome
    progress: Progress
    total: int
    cases: Sequence[str]
    secret: int | None

    def holds(self, where: str, rule: str, faults: Callable[..., Iterable[str]], *args: Any) -> bool:
        """Whether the rule found nothing."""
        self.progress(self.outcome.n_rules, self.total, f"{where}: {rule}")
        found = listed(faults(*args))
        self.outcome.n_rules += 1
        for text in found:
            self.found(where, rule, text)
        return not found

    def found(self, where: str, rule: str, text: str) -> None:
        """Keeps a finding."""
        self.outcome.findings.append(Finding(where, rule, text))


def _check_task(name: str, watch: _Watch) -> None:
    made = smoke("tasks", name)
    if spiking.is_spiking(made):
        if hasattr(made, "path"):
            watch.outcome.notes.append("it reads a file that the user names: only its form was checked")
            return
        for rule, check_spikes in spiking.RULES.items():
            watch.holds("task", rule, check_spikes, made)
        return
    rules = recording.RULES if recording.is_recorded(made) else task.RULES
    for rule, faults in rules.items():
        watch.holds("task", rule, faults, name)


def _check_network(name: str, watch: _Watch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        built, error = attempt(network.build, name, str(checkpoint_file(Path(folder))))
        if error is not None:
            watch.found("network", "build", f"raised {error}")
            return
        for rule, faults in network.RULES.items():
            watch.holds("network", rule, faults, built)


def _check_metric(name: str, watch: _Watch) -> None:
    if not reads(registries()["metrics"].get(name), Evaluation):
        watch.outcome.notes.append("a metric of recorded data or spikes: only what it declares was checked")
        return
    for case in watch.cases:
        for fitted in METRIC_MODELS:
            made = metric.evaluation_of(fitted, small_case(case))
            for rule, faults in metric.RULES.items():
                watch.holds(f"{fitted} on {case}", rule, faults, name, made)


def _check_spike_model(name: str, watch: _Watch) -> None:
    watch.progress(watch.outcome.n_rules, watch.total, "spikes: fitting")
    subject, error = attempt(spike_model.fit_to_spikes, name)
    if error is not None:
        watch.found("spikes", "fit", f"raised {error}")
        return
    for rule, faults in spike_model.RULES.items():
        watch.holds("spikes", rule, faults, subject)


def _check_model(name: str, watch: _Watch) -> None:
    made, refused = smoke("models", name), 0
    if spikes := spike_model.fits_spikes(made):
        _check_spike_model(name, watch)
        if not hasattr(made, "fit"):
            return
    for case in watch.cases:
        watch.progress(watch.outcome.n_rules, watch.total, f"{case}: fitting")
        subject = fit_to(made, small_case(case), watch.secret)
        if subject.refusal is not None:
            if not one_line(subject.refusal):
                watch.found(case, "unsupported", "its reason is not one line of text")
            watch.outcome.notes.append(f"{case}: not checked, it says: {' '.join(subject.refusal.split())}")
            refused += 1
            continue
        for rule in model.RULES:
            kept = watch.holds(case, rule, model.model_faults, rule, subject)
            if not kept and (rule in model.FIRST or subject.again is None):
                watch.outcome.notes.append(f"{case}: nothing more was checked: mend this first")
                break
    if refused == len(watch.cases) and not spikes:
        watch.found("model", "unsupported", "it serves none of the networks of this check")


_CHECKS: dict[str, Callable[[str, _Watch], None]] = {
    "tasks": _check_task,
    "networks": _check_network,
    "models": _check_model,
    "metrics": _check_metric,
}
