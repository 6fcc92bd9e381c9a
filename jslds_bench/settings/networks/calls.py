"""Calling a fitted model under JIT, compiled once for all models of its shapes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.settings.base import Clock
from jslds_bench.types.core import Linearization


def local_at(model: Linearization, h: Any, u: Any, star: Any) -> Any:
    """The model's linear systems at a batch of states."""
    return jax.vmap(model.local)(h, u, star)


def on_model(function: Callable[..., Any], model: Linearization) -> Callable[..., Any]:
    """``jit(function)`` with `model` as its first argument.

    A model that is a pytree is passed as one, so that equal shapes share a compilation; any other is
    closed over.
    """
    if jax.tree_util.all_leaves([model]):
        return jax.jit(lambda *args: function(model, *args))
    compiled = _JITTED.setdefault(function, jax.jit(function))
    return lambda *args: compiled(model, *args)


def compile_anew(function: Callable[..., Any], model: Linearization, *args: Any) -> Callable[[], Any]:
    """``function(model, *args)`` traced and compiled anew, ready to be called again and again."""
    closed = jax.tree_util.all_leaves([model])
    given = args if closed else (model, *args)

    # A function of its own, since JAX remembers what it has compiled for one that it has seen; with a name of
    # its own, since the workers of a run share what they have compiled by name.
    def anew(*given: Any) -> Any:
        return function(model, *given) if closed else function(*given)

    anew.__name__ = f"anew_{os.getpid()}_{next(_NUMBERS)}"
    run = jax.jit(anew).lower(*given).compile()
    return lambda: run(*given)


def compile_seconds(
    function: Callable[..., Any], model: Linearization, args: tuple[Any, ...], clock: Clock
) -> float:
    """Processor seconds to trace and compile ``function(model, *args)``.

    Measured once in a process for all models of a shape, since it is the same program.
    """
    if jax.tree_util.all_leaves([model]):
        return clock.once(lambda: compile_anew(function, model, *args))[1]
    leaves, structure = jax.tree.flatten((model, args))
    key = (function, structure, *((np.shape(x), jnp.result_type(x)) for x in leaves))
    if key not in _SECONDS:
        _SECONDS[key] = clock.once(lambda: compile_anew(function, model, *args))[1]
    return _SECONDS[key]


_NUMBERS = itertools.count()
_JITTED: dict[Callable[..., Any], Any] = {}
_SECONDS: dict[tuple[Any, ...], float] = {}
