"""`jax.jit` for the programs of this package: many small parts, compiled anew for every number of modes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax

F = TypeVar("F", bound=Callable[..., Any])


@functools.cache
def _options() -> dict[str, bool] | None:
    """XLA:CPU's older emitters of loops, where this jaxlib still has them.

    They compile an EM iteration in half the time, and it runs no slower: products and factors, which it is
    made of, are library calls either way. (A training step would be a fifth slower by them.)
    """
    older = {"xla_cpu_use_fusion_emitters": False}
    try:
        jax.jit(lambda x: x, compiler_options=older).lower(0.0).compile()
    except (
        Exception
    ):  # an option that is unknown is an error of XLA, of a type that has changed with versions
        return None
    return older


def compiled(function: F | None = None, *, static: Sequence[str] = ()) -> Any:
    """A decorator: the function jitted; called inside another program it is a part of that."""
    if function is None:
        return functools.partial(compiled, static=static)

    @functools.cache
    def jitted() -> Callable[..., Any]:
        return jax.jit(function, static_argnames=static, compiler_options=_options())

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves = jax.tree.leaves((args, kwargs))
        within = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
        return (function if within else jitted())(*args, **kwargs)

    return call
