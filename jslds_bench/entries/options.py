"""Options of JAX that hold for the whole process: whoever's code runs in it must leave them as they were."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OPTIONS = {
    "jax_enable_x64": "jax.enable_x64(True)",
    "jax_default_matmul_precision": "jax.default_matmul_precision(…)",
    "jax_default_prng_impl": "jax.default_prng_impl(…)",
    "jax_threefry_partitionable": "jax.threefry_partitionable(…)",
    "jax_numpy_dtype_promotion": "jax.numpy_dtype_promotion(…)",
    "jax_disable_jit": "jax.disable_jit()",
    "jax_disable_most_optimizations": "",
}
"""Options that other models' numbers depend on, and what sets each for a while, if anything does."""
_SET_BY = "jslds_bench.types.core"  # the package's own: products of float32 are of float32


class Switched(Exception):
    """An option is not what it was."""


def options() -> dict[str, Any]:
    """The values of `OPTIONS`; none before JAX is imported, and set up by this package."""
    if _SET_BY not in sys.modules:
        return {}
    return {name: _value(name) for name in OPTIONS}


def _value(name: str) -> Any:
    config = sys.modules["jax"].config
    return getattr(config, name) if OPTIONS[name] else config.read(name)


def of_the_shell() -> dict[str, str]:
    """Those of `OPTIONS` that are set in the environment: workers have these, whatever is set here."""
    return {name: os.environ[name.upper()] for name in OPTIONS if name.upper() in os.environ}


@contextmanager
def unswitched(error: type[Exception] = Switched) -> Iterator[None]:
    """Its block leaves `OPTIONS` as they were: they are set back, whatever becomes of it.

    Raises:
        Exception: `error`, where the block came to an end and one was not.
    """
    before = options()
    changed: list[str] = []
    try:
        yield
    finally:
        for name, value in before.items():
            if _value(name) != value:
                sys.modules["jax"].config.update(name, value)
                changed.append(name)
    if changed:
        name = changed[0]
        instead = f"use `with {OPTIONS[name]}:`" if OPTIONS[name] else "leave it as it is"
        raise error(f"it switched {name} for the whole process: {instead}")
