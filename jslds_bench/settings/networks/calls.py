"""Calling a fitted model under JIT, compiled once for all models of its shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

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
    if jax.tree_util.all_leaves([model]):
        run = jax.jit(lambda *a: function(model, *a)).lower(*args).compile()
        return lambda: run(*args)
    # A function of its own, since JAX remembers what it has compiled for one that it has seen.
    run = jax.jit(lambda *a: function(*a)).lower(model, *args).compile()
    return lambda: run(model, *args)


_JITTED: dict[Callable[..., Any], Any] = {}
