"""Plug-in files: Python files that register entries when they are imported; only those that are named run."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from jslds_bench.entries.options import unswitched
from jslds_bench.entries.registry import CELLS, METRICS, MODELS, NETWORKS, TASKS
from jslds_bench.entries.sources import PLUGIN
from jslds_bench.errors import BrokenPlugin, UsageError


def load(path: str | Path) -> ModuleType:
    """The module of the plug-in file at `path`, imported once.

    Raises:
        UsageError: no such file.
        BrokenPlugin: it fails to import; the message says how, and nothing of it stays registered.
    """
    file = Path(os.path.realpath(os.path.expanduser(path)))
    name = f"{PLUGIN}{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    if not os.path.isfile(file) or file.suffix != ".py":
        raise UsageError(f"plug-in {path}: {'not a .py file' if os.path.exists(file) else 'no such file'}")
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"plug-in {path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their annotations up there
    try:
        with unswitched():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # other people's code may raise anything
        del sys.modules[name]
        for registry in (TASKS, NETWORKS, CELLS, MODELS, METRICS):
            registry.forget(name)
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise BrokenPlugin(f"plug-in {path} could not be imported: {text}") from error
    return module


def entries_of(module: str) -> list[str]:
    """The names of all that the imported module of a plug-in file registers."""
    return [
        name
        for registry in (TASKS, NETWORKS, CELLS, MODELS, METRICS)
        for name in registry.registered()
        if registry.get(name).__module__ == module
    ]
