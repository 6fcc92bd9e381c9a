"""Counting compilations and operations: what makes a method slow however little it computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.monitoring

_COMPILED = "/jax/core/compile/backend_compile_duration"
_counters: list[list[str]] = []


@contextmanager
def compilations() -> Iterator[list[str]]:
    """The names of the programs that XLA compiles while it lasts."""
    seen: list[str] = []
    _counters.append(seen)
    try:
        yield seen
    finally:
        _counters.pop()


def _listen(event: str, duration_secs: float, **about: Any) -> None:
    if event == _COMPILED:
        for seen in _counters:
            seen.append(str(about.get("fun_name", "")))


jax.monitoring.register_event_duration_secs_listener(_listen)  # for good: older JAX cannot take it back


def operations(jaxpr: Any) -> list[str]:
    """The names of all operations of a jaxpr, those of its loops and branches included."""
    names: list[str] = []
    for equation in jaxpr.eqns:
        names.append(equation.primitive.name)
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(value):
                names += operations(getattr(value, "jaxpr", value))
    return names


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns")
