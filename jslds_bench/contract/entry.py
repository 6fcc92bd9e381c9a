"""The rules for an entry of any kind: a documented frozen dataclass with the methods of its kind."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

from jslds_bench.contract.instances import smoke_reading
from jslds_bench.contract.settings import every, homes
from jslds_bench.contract.words import attempt, one_line
from jslds_bench.settings import why_unowned
from jslds_bench.suite import registries

ORIGINS = ("synthetic", "recorded", "real")
"""What a task may say of its data, where it says something."""


def entry_faults(kind: str, name: str) -> Iterator[str]:
    """What is wrong with the entry as a class, and with a tiny instance of it."""
    entry: Any = registries()[kind].get(name)
    if not entry.__dataclass_params__.frozen:
        yield "it can be changed: write @dataclasses.dataclass(frozen=True)"
    text = inspect.getdoc(entry) or ""
    if not text or text.startswith(f"{entry.__name__}("):  # what dataclass writes if nobody did
        yield "it has no docstring: say in one line what it is"
    else:
        names = [f.name for f in dataclasses.fields(entry)]
        unexplained = [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]
        if unexplained:
            yield f"its docstring does not explain {', '.join(unexplained)}: list them under `Attributes:`"
    made, error = attempt(smoke_reading, kind, name)
    if error is not None:
        yield f"it cannot be made from its defaults and SMOKE: {error}"
        return
    _, error = attempt(hash, made)
    if error is not None:
        yield f"it cannot be hashed ({error}): its parameters must be numbers, texts, booleans or tuples"
    yield from _belonging_faults(kind, made)
    if kind == "metrics":
        yield from _declaration_faults(entry)
    if kind == "tasks":
        yield from _origin_faults(entry)


def _belonging_faults(kind: str, made: Any) -> Iterator[str]:
    """It belongs to a setting, and has all that the settings it belongs to ask for."""
    mine = homes(kind, made)
    for contract in mine:
        for member in contract.members[kind]:
            if not hasattr(made, member):
                about = f"{kind} of {contract.setting.about}"
                yield f"it has no {member!r}: jslds_bench.types says what {about} must answer"
    if mine:
        return
    if kind == "metrics":
        names = [contract.setting.evaluation.__name__ for contract in every()]
        yield f"what it `reads` is no evaluation: expected {' or '.join(names)}, or several of them"
        return
    if kind == "tasks":
        yield f"it is {why_unowned(made)}"
        return
    wanted = []
    for contract in every():
        lacking = [member for member in contract.members[kind] if not hasattr(made, member)]
        wanted.append(f"for {contract.setting.about} it has no {', '.join(map(repr, lacking))}")
    yield f"it is a {kind[:-1]} of no setting: {'; '.join(wanted)} (see jslds_bench.types)"


def _origin_faults(task: Any) -> Iterator[str]:
    """What is wrong with what a task says of its data."""
    for name in ("origin", "caption"):
        if name in {f.name for f in dataclasses.fields(task)}:
            yield f"its {name!r} is a parameter: declare it as a ClassVar"
    origin = getattr(task, "origin", ORIGINS[0])
    if origin not in ORIGINS:
        yield f"its origin is {origin!r}: expected one of {', '.join(ORIGINS)}"
    if not one_line(getattr(task, "caption", "") or "none"):
        yield "its caption is not one line of text"


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
