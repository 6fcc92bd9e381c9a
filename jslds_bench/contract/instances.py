"""Tiny instances of entries: their `SMOKE`, and the parameters that whoever asked for a check gives them."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from jslds_bench.contract.words import attempt
from jslds_bench.suite import registries

SEED = 0  # of all data of a check: what a model that looks for data to be scored on would try first
UNNAMED = "x"
"""The `path` of an entry that reads a file, where nobody names one."""

_GIVEN: contextvars.ContextVar[dict[tuple[str, str], Mapping[str, Any]]] = contextvars.ContextVar("given")


@contextlib.contextmanager
def given(kind: str, name: str, parameters: Mapping[str, Any]) -> Iterator[None]:
    """While it lasts, every instance that a check makes of this entry has these parameters."""
    token = _GIVEN.set({(kind, name): parameters})
    try:
        yield
    finally:
        _GIVEN.reset(token)


def parameters_given(kind: str, name: str) -> Mapping[str, Any]:
    """The parameters that whoever asked for the check gives this entry."""
    return _GIVEN.get({}).get((kind, name), {})


def smoke(kind: str, name: str, **more: Any) -> Any:
    """A tiny instance of an entry: its `SMOKE` parameters, those of `more` that it has, and those given.

    Raises:
        UsageError: it refuses them, or needs others.
    """
    registry = registries()[kind]
    entry = registry.get(name)
    fields = {f.name for f in dataclasses.fields(entry)}
    parameters = {**getattr(entry, "SMOKE", {}), **{k: more[k] for k in fields & more.keys()}}
    return registry.make(name, {**parameters, **parameters_given(kind, name)})


def smoke_reading(kind: str, name: str, file: str = UNNAMED) -> Any:
    """A tiny instance of an entry; `file` is its `path` where it has that field and nothing else fills it."""
    made, error = attempt(smoke, kind, name)
    if error is None and getattr(made, "path", file) not in ("", None):
        return made
    return smoke(kind, name, path=file)
