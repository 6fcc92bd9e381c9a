"""`jax.jit` for programs that run a few times: of switching systems, and those that models are scored by."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax

F = TypeVar("F", bound=Callable[..., Any])


@functools.cache
def quick() -> dict[str, bool] | None:
    """Options by which XLA:CPU compiles in half the time: its older emitters of loops, where jaxlib has them.

    An EM iteration runs no slower by them: products and factors, which it is made of, are library calls
    either way. A free run can take nearly twice as long, a training step a fifth longer.
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
        return jax.jit(function, static_argnames=static, compiler_options=quick())

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves = jax.tree.leaves((args, kwargs))
        within = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
        return (function if within else jitted())(*args, **kwargs)

    return call
