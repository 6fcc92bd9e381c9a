"""Randomness of a replicate, what is sealed while code of entries runs, and copies that entries may spoil.

Every setting draws its data through `purpose_key`, so that one seal guards them all.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from jslds_bench.errors import Unsupported

PEEKED = "the model asked for data that it is scored on, which it may not see"
TRAINED_ON = "what makes the network asked for data that models are scored on, which it may not see"
HELD_OUT = ("evaluation", "recording")
"""Purposes of draws that hold data to be scored on."""
_SEALS: list[list[str]] = []


@contextmanager
def sealed() -> Iterator[list[str]]:
    """While it lasts, data to be scored on cannot be drawn; the list has an item for each attempt."""
    asked: list[str] = []
    _SEALS.append(asked)
    try:
        yield asked
    finally:
        _SEALS.pop()


@contextmanager
def making_a_network() -> Iterator[None]:
    """What makes a network is `sealed` too, and fails if it asked, whatever it did then.

    Raises:
        Unsupported: it asked for data that models are scored on.
    """
    with sealed() as asked:
        try:
            yield
        finally:
            if asked:
                raise Unsupported(TRAINED_ON)


def refuse(what: str) -> None:
    """Notes the attempt to get at `what` with all seals that are on.

    Raises:
        Unsupported: always.
    """
    for asked in _SEALS:
        asked.append(what)
    raise Unsupported(PEEKED)


def purpose_key(seed: int, purpose: str) -> PRNGKeyArray:
    """The random key of one purpose of a replicate: all draws of a job derive from (seed, purpose).

    Raises:
        Unsupported: data to be scored on is asked for while it is `sealed`.
    """
    if purpose in HELD_OUT and _SEALS:
        refuse(purpose)
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(purpose.encode()))


def without_held_out(task: Any) -> Any:
    """`task`, equal to it, but for drawing what it holds out (`types.networks.HoldsOut`): that is refused."""
    if not hasattr(task, "sample_held_out"):
        return task

    def asked(*_: Any) -> Any:
        return refuse("what its task holds out")

    closed = copy.copy(task)
    object.__setattr__(closed, "sample_held_out", asked)  # entries are frozen
    return closed


class Described:
    """What a model is told of its task: the values of `says`, and no way to the data."""

    def __init__(self, task: Any, says: tuple[str, ...]) -> None:
        vars(self).update({name: getattr(task, name) for name in ("name", *says)})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return refuse(f"{name!r} of its task")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a task's description is not to be changed (got {name} = {value!r})")


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with `function` applied to its arrays, those in frozen dataclasses included.

    Parts without arrays stay the objects that they are.
    """
    if isinstance(tree, jax.Array | np.ndarray):
        return function(tree)
    if isinstance(tree, dict):
        return {key: mapped(function, value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        parts = [mapped(function, part) for part in tree]
        if all(new is old for new, old in zip(parts, tree, strict=True)):
            return tree
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if not dataclasses.is_dataclass(tree) or isinstance(tree, type):
        return tree
    before = {f.name: getattr(tree, f.name) for f in dataclasses.fields(tree) if f.init}
    after = {name: mapped(function, value) for name, value in before.items()}
    changed = {name: value for name, value in after.items() if value is not before[name]}
    return dataclasses.replace(tree, **changed) if changed else tree


def read_only(tree: Any) -> Any:
    """`tree` with its arrays copied to the host, where writing to them is forbidden."""

    def freeze(x: Any) -> np.ndarray:
        array = np.array(x)
        array.flags.writeable = False
        return array

    return mapped(freeze, tree)


def own_copy(tree: Any) -> Any:
    """`tree` with arrays of its own, on the host read-only: whatever is done to them, the original stays."""
    return mapped(lambda x: x.copy() if isinstance(x, jax.Array) else read_only(x), tree)


def fingerprint(tree: Any) -> bytes:
    """A hash of all arrays of `tree`: equal as long as nobody has written to them."""
    hasher = hashlib.sha256()

    def add(x: Any) -> Any:
        hasher.update(np.asarray(x).tobytes())
        return x

    mapped(add, tree)
    return hasher.digest()
