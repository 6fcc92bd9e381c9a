"""The rules for an entry of any kind: a documented frozen dataclass with the methods of its kind."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

from jslds_bench.contract.cases import smoke_reading
from jslds_bench.contract.words import attempt
from jslds_bench.suite import registries

MEMBERS = {
    "tasks": ("SMOKE", "n_inputs", "n_outputs", "n_steps", "setup", "sample", "expansion_inputs"),
    "networks": ("build", "sources"),
    "models": ("fit",),
    "metrics": ("unit", "better", "bounds", "timing", "compute"),
}
"""What `types` asks of each kind."""
RECORDED = ("SMOKE", "setup", "record")
"""What it asks of a task that is recorded data."""
SPIKING = ("SMOKE", "n_latent", "spikes")
"""What `spike_types` asks of a task that is spiking data."""


def entry_faults(kind: str, name: str) -> Iterator[str]:
    """What is wrong with the entry as a class, and with a tiny instance of it."""
    entry: Any = registries()[kind].get(name)
    if not entry.__dataclass_params__.frozen:
        yield "it can be changed: write @dataclasses.dataclass(frozen=True)"
    text = inspect.getdoc(entry) or ""
    if not text or text.startswith(f"{entry.__name__}("):  # what dataclass writes if nobody did
        yield "it has no docstring: say in one line what it is"
    else:
        unexplained = [f.name for f in dataclasses.fields(entry) if f.name not in text]
        if unexplained:
            yield f"its docstring does not explain {', '.join(unexplained)}: list them under `Attributes:`"
    made, error = attempt(smoke_reading, kind, name, "x")
    if error is not None:
        yield f"it cannot be made from its defaults and SMOKE: {error}"
        return
    members = MEMBERS[kind]
    if kind == "tasks":
        members = RECORDED if hasattr(made, "record") else SPIKING if hasattr(made, "spikes") else members
    elif kind == "models" and hasattr(made, "fit_spikes"):
        members = tuple(m for m in members if m != "fit")  # it may serve spikes alone
    for member in members:
        if not hasattr(made, member):
            yield f"it has no {member!r}: jslds_bench/types.py says what {kind} must answer"
    _, error = attempt(hash, made)
    if error is not None:
        yield f"it cannot be hashed ({error}): its parameters must be numbers, texts, booleans or tuples"
    if kind == "metrics":
        yield from _declaration_faults(entry)


def _declaration_faults(metric: Any) -> Iterator[str]:
    """What is wrong with what a metric says about its number."""
    unit, better, bounds, timing = (getattr(metric, a, None) for a in ("unit", "better", "bounds", "timing"))
    if not isinstance(unit, str) or not unit:
        yield f'its unit is {unit!r}: expected text, "1" for none'
    if better not in ("lower", "higher", "none"):
        yield f'its `better` is {better!r}: expected "lower", "higher" or "none"'
    if not (isinstance(bounds, tuple) and len(bounds) == 2 and bounds[0] < bounds[1]):  # NaN is not less
        yield f"its bounds are {bounds!r}: expected (least, greatest)"
    if not isinstance(timing, bool):
        yield f"its `timing` is {timing!r}: expected True or False"
