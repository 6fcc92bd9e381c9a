"""Calling a fitted model under JIT, compiled once for all of its shapes, and quickly; and timing it."""

from __future__ import annotations

import functools
import itertools
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jax

from jslds_bench.dynamics.compiled import compiler_options, kinds, program
from jslds_bench.settings.base import Clock
from jslds_bench.types.core import Linearization


def local_at(model: Linearization, h: Any, u: Any, star: Any) -> Any:
    """The model's linear systems at a batch of states."""
    return jax.vmap(model.local)(h, u, star)


def on_model(function: Callable[..., Any], model: Linearization) -> Callable[..., Any]:
    """``jit(function)`` with `model` as its first argument: what models are scored by, not timed.

    A model that is a pytree is passed as one, so that models of a kind and of equal shapes share a
    compilation; any other is closed over.
    """
    if jax.tree_util.all_leaves([model]):
        return jax.jit(lambda *args: function(model, *args), compiler_options=compiler_options(quickly=True))
    return functools.partial(program(function, kinds(model)), model)


def compile_anew(function: Callable[..., Any], model: Linearization, *args: Any) -> Callable[..., Any]:
    """`function` traced and compiled anew for these shapes, as fast as it gets: to be called again and again.

    A model that is no pytree is closed over, whatever the program is called with.
    """
    closed = jax.tree_util.all_leaves([model])
    given = args if closed else (model, *args)

    # A function of its own, since JAX remembers what it has compiled for one that it has seen; with a name of
    # its own, since the workers of a run share what they have compiled by name.
    def anew(*given: Any) -> Any:
        return function(model, *given) if closed else function(*given)

    anew.__name__ = f"anew_{os.getpid()}_{next(_NUMBERS)}"
    run = jax.jit(anew, compiler_options=compiler_options(quickly=False)).lower(*given).compile()
    return lambda model, *args: run(*args) if closed else run(model, *args)


def timed_call(
    function: Callable[..., Any], model: Linearization, args: tuple[Any, ...], clock: Clock
) -> tuple[Callable[[], Any], float]:
    """``function(model, *args)`` to be timed, and the processor seconds to trace and compile it.

    Compiled once in a process for all models of a kind and shape, since it is the same program.
    """

    def make() -> tuple[Callable[..., Any], float]:
        return clock.once(lambda: compile_anew(function, model, *args))

    leaves, structure = jax.tree.flatten((model, args))
    if jax.tree_util.all_leaves([model]):
        run, seconds = make()
    else:
        key = (function, kinds((model, args)), structure, *jax.eval_shape(lambda *x: x, *leaves))
        if key not in _TIMED:
            _TIMED[key] = make()
            if len(_TIMED) > _MOST:
                _TIMED.popitem(last=False)
        run, seconds = _TIMED[key]
    return lambda: run(model, *args), seconds


_NUMBERS = itertools.count()
_MOST = 32  # programs that are kept, the latest
_TIMED: OrderedDict[tuple[Any, ...], tuple[Callable[..., Any], float]] = OrderedDict()
