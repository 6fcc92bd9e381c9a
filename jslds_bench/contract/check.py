"""All rules of an entry's kind, on all that they are checked on."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jslds_bench.contract import metric, model, network, task
from jslds_bench.contract.cases import CASES, checkpoint_file, small_case, smoke
from jslds_bench.contract.entry import entry_faults
from jslds_bench.contract.fitting import fit_to
from jslds_bench.contract.words import Finding, attempt, listed, one_line
from jslds_bench.suite import registries
from jslds_bench.types import Progress, silent


@dataclasses.dataclass
class Outcome:
    """What a check came to.

    Attributes:
        findings: what is wrong; empty: the entry keeps its contract.
        notes: what was not checked, and why.
        n_rules: rules that were checked, on however many networks.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    n_rules: int = 0


def check(kind: str, name: str, progress: Progress = silent, secret: int | None = None) -> Outcome:
    """The contract of `kind` ("tasks", "networks", "models", "metrics") on the entry called `name`.

    Args:
        secret: seed of the trials that a model is compared on; by default from the system's randomness.

    Raises:
        UsageError: there is no such entry.
    """
    registries()[kind].get(name)
    watch = _Watch(Outcome(), progress, kind[:-1])
    if watch.holds(kind[:-1], "entry", entry_faults, kind, name):
        _CHECKS[kind](name, watch, secret)
    elif not watch.outcome.notes:
        watch.outcome.notes.append("nothing more was checked: mend this first")
    return watch.outcome


class _Watch:
    """Runs one rule after another and keeps what they find."""

    def __init__(self, outcome: Outcome, progress: Progress, kind: str) -> None:
        self.outcome, self.progress = outcome, progress
        n = {
            "task": len(task.RULES),
            "network": len(network.RULES),
            "model": len(CASES) * len(model.RULES),
            "metric": len(CASES) * len(metric.RULES),
        }
        self.total = 1 + n[kind]

    def holds(self, where: str, rule: str, rule_of: Callable[..., Iterable[str]], *args: Any) -> bool:
        """Whether the rule found nothing."""
        self.progress(self.outcome.n_rules, self.total, f"{where}: {rule}")
        found = listed(rule_of(*args))
        self.outcome.n_rules += 1
        self.outcome.findings += [Finding(where, rule, text) for text in found]
        return not found

    def found(self, where: str, rule: str, text: str) -> None:
        """Keeps a finding of no rule of its own."""
        self.outcome.findings.append(Finding(where, rule, text))


def _check_task(name: str, watch: _Watch, secret: int | None) -> None:
    for rule, faults in task.RULES.items():
        watch.holds("task", rule, faults, name)


def _check_network(name: str, watch: _Watch, secret: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint_file(Path(folder))
        built, error = attempt(network.build, name, str(path))
        if error is not None:
            watch.found("network", "build", f"raised {error}")
            return
        for rule, faults in network.RULES.items():
            watch.holds("network", rule, faults, built)


def _check_metric(name: str, watch: _Watch, secret: int | None) -> None:
    for case in CASES:
        made = metric.evaluation_of("fixed_points", small_case(case))
        for rule, faults in metric.RULES.items():
            watch.holds(case, rule, faults, name, made)


def _check_model(name: str, watch: _Watch, secret: int | None) -> None:
    made, refused = smoke("models", name), []
    for case in CASES:
        watch.progress(watch.outcome.n_rules, watch.total, f"{case}: fitting")
        subject = fit_to(made, small_case(case), secret)
        if subject.refusal is not None:
            if not one_line(subject.refusal):
                watch.found(case, "unsupported", "its reason is not one line of text")
            refused.append(case)
            watch.outcome.notes.append(f"{case}: not checked, it says: {' '.join(subject.refusal.split())}")
            continue
        for rule in model.RULES:
            kept = watch.holds(case, rule, model.model_faults, rule, subject)
            if not kept and (rule == "shapes" or subject.again is None):
                watch.outcome.notes.append(f"{case}: nothing more was checked: mend this first")
                break
    if len(refused) == len(CASES):
        watch.found("model", "unsupported", "it serves none of the networks of this check")


_CHECKS: dict[str, Callable[[str, _Watch, int | None], None]] = {
    "tasks": _check_task,
    "networks": _check_network,
    "models": _check_model,
    "metrics": _check_metric,
}
