"""float64 inside, float32 outside: the rest of the package is not changed by importing this one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar

import jax
import jax.experimental

P = ParamSpec("P")
R = TypeVar("R")


def enable_float64() -> AbstractContextManager[Any]:
    """A context in which JAX keeps float64 (older JAX has the switch under `jax.experimental`)."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return getattr(jax.experimental, "enable_x64")(True)  # noqa: B009


def in_float64(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run where JAX keeps float64; what was set before is restored on return."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with enable_float64():
            return function(*args, **kwargs)

    return wrapped
