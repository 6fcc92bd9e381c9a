"""All rules of an entry, of every setting that it belongs to, on all that they are looked at on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jslds_bench.contract.entry import entry_faults
from jslds_bench.contract.instances import UNNAMED, given, smoke_reading
from jslds_bench.contract.settings import homes
from jslds_bench.contract.settings.base import Look
from jslds_bench.contract.words import Finding, Refused, attempt, listed
from jslds_bench.errors import UsageError
from jslds_bench.suite import registries
from jslds_bench.types.core import Progress, silent

MEND = "nothing more was checked: mend this first"


@dataclasses.dataclass
class Outcome:
    """What a check came to.

    Attributes:
        findings: what is wrong; empty: the entry keeps its contract.
        notes: what was not checked, and why.
        n_rules: how many rules were looked at, each on all that it is checked on.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    n_rules: int = 0


def check(
    kind: str,
    name: str,
    progress: Progress = silent,
    *,
    cases: Sequence[str] | None = None,
    secret: int | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Outcome:
    """The contract of `kind` ("tasks", "networks", "cells", "models", "metrics") on the entry called `name`.

    Args:
        cases: what models and metrics are checked on (`settings.base.Contract.cases`); by default all.
        secret: seed of the trials that a model is compared on; by default from the system's randomness.
        parameters: of every instance that is made of the entry, in place of those of its SMOKE.

    Raises:
        UsageError: there is no such entry, or it cannot be made with `parameters`.
    """
    with given(kind, name, parameters or {}):
        if parameters:
            _, error = attempt(smoke_reading, kind, name)
            if error is not None:
                raise UsageError(f"{kind[:-1]} {name!r} cannot be made with {dict(parameters)}: {error}")
        return _check(kind, name, progress, cases, secret)


def _check(
    kind: str, name: str, progress: Progress, cases: Sequence[str] | None, secret: int | None
) -> Outcome:
    registries()[kind].get(name)
    watch = _Watch(Outcome(), progress)
    if not watch.holds(kind[:-1], "entry", entry_faults, kind, name):
        watch.outcome.notes.append(MEND)
        return watch.outcome
    made = smoke_reading(kind, name)
    if kind == "tasks" and getattr(made, "path", None) == UNNAMED:
        watch.outcome.notes.append(
            "it reads a file that the user names: only its form was checked (--set path=FILE for the rest)"
        )
        return watch.outcome
    looks = [look for home in homes(kind, made) for look in home.looks(kind, name, secret)]
    looks = [look for look in looks if cases is None or look.case is None or look.case in cases]
    watch.total += sum(len(look.rules) for look in looks)
    refused = [watch.refused(look) for look in looks]
    if looks and all(refused) and kind in ("models", "metrics"):
        where = ", ".join(look.where for look in looks)
        watch.found(kind[:-1], "unsupported", f"it serves nothing that it is checked on ({where})")
    return watch.outcome


@dataclasses.dataclass
class _Watch:
    """Runs one rule after another and keeps what they find."""

    outcome: Outcome
    progress: Progress
    total: int = 1

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

    def refused(self, look: Look) -> bool:
        """Whether the entry cannot be looked at there; else all rules are, as far as that goes."""
        self.progress(self.outcome.n_rules, self.total, f"{look.where}: {look.making}")
        subject, error = attempt(look.make)
        if error is not None:
            self.found(look.where, look.making, f"raised {error}")
        elif isinstance(subject, Refused):
            if subject.fault is not None:
                self.found(look.where, "unsupported", subject.fault)
            self.outcome.notes.append(f"{look.where}: not checked, {subject.why}")
            return True
        else:
            self._rules(look, subject)
        return False

    def _rules(self, look: Look, subject: Any) -> None:
        for rule, faults in look.rules.items():
            kept = self.holds(look.where, rule, faults, subject)
            if not kept and (rule in look.first or not getattr(subject, "whole", True)):
                self.outcome.notes.append(f"{look.where}: {MEND}")
                return
