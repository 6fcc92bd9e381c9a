"""`jax.jit` for functions of models, parameters and other pytrees that plug-ins may define."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import jax

F = TypeVar("F", bound=Callable[..., Any])
_LEVEL, _LITTLE = "xla_backend_optimization_level", "jax_disable_most_optimizations"


def on_one_core() -> bool:
    """Whether the process may use one core alone, as the workers of a run on CPUs do."""
    return hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) == 1


def compiler_options(quickly: bool) -> dict[str, Any]:
    """Options by which XLA:CPU compiles sooner, those of them that jaxlib has.

    On one core a program is compiled in one piece, which changes no value: in 32, for as many threads, that
    of an EM iteration takes a tenth longer and twice the memory mappings (see `runner.programs`).

    Args:
        quickly: the older emitters of loops as well, with which compiling takes half the time, and LLVM's
            first level of optimisation, with which it takes a fifth less. An EM iteration runs no slower by
            them: products and factors, which it is made of, are library calls either way. By the emitters a
            free run can take nearly twice as long, a training step a fifth longer. Who chose a level, or
            has JAX optimise little, is left it.
    """
    wanted: dict[str, Any] = {}
    if on_one_core():
        wanted["xla_cpu_parallel_codegen_split_count"] = 1
    if quickly:
        wanted["xla_cpu_use_fusion_emitters"] = False
        if not (_LEVEL in os.environ.get("XLA_FLAGS", "") or jax.config.read(_LITTLE)):
            wanted[_LEVEL] = 1
    return dict(_known(tuple(wanted.items())))


@functools.cache
def _known(options: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """Those of the options that jaxlib has: asked for together, and each by itself where one is missing."""
    if not options:
        return ()
    try:
        jax.jit(lambda x: x, compiler_options=dict(options)).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:  # there is no such option
        return sum((_known((option,)) for option in options if len(options) > 1), ())
    return options


def kinds(tree: Any) -> Hashable:
    """The types of a pytree's nodes, and of what they hold beside leaves, which JAX may not tell apart.

    JAX holds the structures of two types for equal where both are registered by
    `jax.tree_util.register_dataclass` with as many fields, so that `jax.jit` runs, by chance, the program of
    the one on the other (met with jaxlib 0.10.2; jax-ml/jax#37389 has a symptom). Fields that are no leaves
    are compared by value, where 1, 1.0 and True are one, and so are 0.0 and −0.0.
    """

    def of(structure: Any) -> Hashable:
        node = structure.node_data()
        if node is None:
            return None
        held = node[1] if type(node[1]) is tuple else (node[1],)
        types = tuple(repr(x) if type(x) is float else type(x) for x in held)
        return (node[0], types, *map(of, structure.children()))

    return of(jax.tree.structure(tree))


def compiled(function: F | None = None, *, static: Sequence[str] = (), quickly: bool = True) -> Any:
    """A decorator: the function jitted, a program for each of the `kinds` of its arguments.

    Called inside another program it is a part of that.

    Args:
        static: names of arguments that are part of the program.
        quickly: whether it runs a few times only (`compiler_options`).
    """
    if function is None:
        return functools.partial(compiled, static=static, quickly=quickly)

    jitted = functools.partial(program, function, static=tuple(static), quickly=quickly)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves = jax.tree.leaves((args, kwargs))
        within = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
        return (function if within else jitted(of=kinds((args, kwargs))))(*args, **kwargs)

    return call


@functools.cache
def program(
    function: Callable[..., Any], of: Hashable, static: tuple[str, ...] = (), quickly: bool = True
) -> Callable[..., Any]:
    """The function jitted for arguments, or for a first one, of these `kinds`."""

    # A function of its own, since JAX remembers what it has compiled by the function.
    @functools.wraps(function)
    def own(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return jax.jit(own, static_argnames=static, compiler_options=compiler_options(quickly))
