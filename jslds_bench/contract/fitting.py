"""Fitting a model under watch: what it may not touch, and whether it does the same again."""

from __future__ import annotations

import dataclasses
import functools
import secrets
from typing import Any

import jax

from jslds_bench.contract.cases import SEED, Case, smoke
from jslds_bench.contract.compiling import compilations
from jslds_bench.contract.words import attempt
from jslds_bench.networks._shared.format import network_bytes
from jslds_bench.settings.draws import own_copy, purpose_key, read_only, sealed
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.suite import Suite
from jslds_bench.types.core import Linearization, Trials
from jslds_bench.types.networks import Model

MAX_COMPILATIONS = 50
"""Programs that a fit may compile anew when it is called a second time."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model fitted twice to one of the small networks.

    Attributes:
        fitted, again: the two fits, with the same key; None where the model raised.
        faults: what was wrong with fitting.
        refusal: why it does not serve the case; no fault.
        secret: seed of trials that no model can have foreseen.
    """

    case: Case
    fitted: Linearization | None = None
    again: Linearization | None = None
    faults: tuple[str, ...] = ()
    refusal: str | None = None
    secret: int = dataclasses.field(default_factory=lambda: secrets.randbits(31))

    @property
    def linear(self) -> Linearization:
        """The first fit, where there is one."""
        assert self.fitted is not None
        return self.fitted

    @functools.cached_property
    def trials(self) -> dict[str, Trials]:
        """As many trials as a suite draws when it does not say: those for evaluation, and secret ones."""
        seeds = {"evaluation": SEED, "secret": self.secret}
        return {name: ev.draw_trials(self.case.task, s, name, Suite.n_trials) for name, s in seeds.items()}


def fit_to(model: Model, case: Case, secret: int | None = None) -> Subject:
    """`model` fitted twice to `case`, or its reason not to be.

    Args:
        secret: see `Subject`; by default one from the system's randomness.
    """
    more: Any = {} if secret is None else {"secret": secret}
    ask = getattr(model, "unsupported", lambda *_: None)
    reason, error = attempt(ask, case.task, smoke("networks", case.source))
    if error is not None:
        return Subject(case, faults=(f"`unsupported` raised {error}",))
    if reason is not None:
        return Subject(case, refusal=str(reason))
    first, faults = _watched(model, case)
    if first is None:
        return Subject(case, faults=tuple(faults))
    with compilations() as compiled:
        again, _ = _watched(model, case)
    if len(compiled) > MAX_COMPILATIONS:
        often = max(set(compiled), key=compiled.count)
        faults.append(
            f"it compiles {len(compiled)} programs each time it is called ({often} {compiled.count(often)} "
            "times): do not call jax.jit on a new function inside a loop"
        )
    if again is None:
        faults.append("it failed when it was called a second time")
    subject = Subject(case, first, again, tuple(faults), **more)
    assert subject.trials  # drawn now: later they are sealed
    return subject


def _watched(model: Model, case: Case) -> tuple[Linearization | None, list[str]]:
    """The fitted model, and what it did that it may not do."""
    network, trials = own_copy(case.network), read_only(case.trials)
    before = network_bytes(network), _bytes(trials), jax.config.read("jax_enable_x64")
    key = purpose_key(SEED, "model")
    faults: list[str] = []
    progress = _Progress()
    with sealed() as asked:
        fitted, error = attempt(model.fit, case.task, network, trials, key, progress)
    if error is not None and not asked:
        faults.append(f"it raised {error}")
    if error is None and fitted is None:
        faults.append("it returned None, expected a Linearization")
    if asked:
        faults.append("it asked for the evaluation trials (it may see the trials that it is given alone)")
    after = network_bytes(network), _bytes(trials), jax.config.read("jax_enable_x64")
    if after[0] != before[0]:
        faults.append("it changed the frozen network that it was given")
    if after[1] != before[1]:
        faults.append("it wrote to the trials that it was given")
    if after[2] != before[2]:
        faults.append("it switched jax_enable_x64 for the whole process: use `with jax.enable_x64(True):`")
        jax.config.update("jax_enable_x64", before[2])
    return fitted, faults + progress.faults


def _bytes(trials: Trials) -> list[bytes]:
    return [x.tobytes() for x in jax.tree.leaves(trials)]


class _Progress:
    """Takes progress as the runner does; remembers a report that cannot be shown."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def __call__(self, done: int, total: int, text: str) -> None:
        if not self.faults and not (0 <= done <= total and isinstance(text, str)):
            self.faults = [f"it reported progress({done!r}, {total!r}, {text!r}): expected 0 ≤ done ≤ total"]
