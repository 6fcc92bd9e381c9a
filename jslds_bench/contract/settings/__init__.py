"""The rules of each setting's entries: an object a setting, found by the names of `jslds_bench.settings`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from jslds_bench.settings import NAMES

if TYPE_CHECKING:
    from jslds_bench.contract.settings.base import Contract


def of(name: str) -> Contract[Any]:
    """The contract of the setting called `name`."""
    return importlib.import_module(f"{__name__}.{name}").CONTRACT


def every() -> list[Contract[Any]]:
    """The contracts of all settings, in their order."""
    return [of(name) for name in NAMES]


def homes(kind: str, entry: Any) -> list[Contract[Any]]:
    """The contracts that a made entry of `kind` has to keep; a task has one at most."""
    found = [contract for contract in every() if contract.has(kind, entry)]
    return found[:1] if kind == "tasks" else found
