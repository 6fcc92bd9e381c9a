"""A fitted model in one .npz file: plain arrays and a JSON string, no pickles."""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from typing import Any

import numpy as np

from jslds_bench.errors import UsageError
from jslds_bench.switching.fitting import Fit
from jslds_bench.switching.parameters import Emission, Gate, Initial, Linear, Params, Spec

SCHEMA = 1
_PARTS: dict[str, Any] = {"initial": Initial, "gate": Gate, "linear": Linear, "emission": Emission}
_ARRAYS = ("objective", "restart_elbos", "occupancy")


def save(path: str | os.PathLike[str], fitted: Fit) -> None:
    """Write `fitted` to `path`, under exactly that name."""
    arrays = {name: getattr(fitted, name) for name in _ARRAYS}
    for part in _PARTS:
        arrays |= {f"{part}.{k}": v for k, v in getattr(fitted.params, part)._asdict().items()}
    meta = {
        "schema": SCHEMA,
        "spec": dataclasses.asdict(fitted.spec),
        "elbo": fitted.elbo,
        "converged": fitted.converged,
        "notes": list(fitted.notes),
    }
    with open(path, "wb") as file:
        np.savez(file, meta=np.array(json.dumps(meta)), **arrays)


def load(path: str | os.PathLike[str]) -> Fit:
    """Read what `save` wrote; arrays come back bit for bit.

    Raises:
        UsageError: not such a file, or one of a schema that this version does not know.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files}
        meta = json.loads(str(stored["meta"]))
        if meta["schema"] != SCHEMA:
            raise UsageError(
                f"{os.fspath(path)} has schema {meta['schema']}, expected {SCHEMA}: fit again with this "
                "version, or read it with the version that wrote it"
            )
        return _build(meta, stored)
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"{os.fspath(path)} is not a saved switching model ({type(error).__name__}: {error}): "
            "give a file that `save` wrote"
        ) from error


def _build(meta: dict[str, Any], stored: dict[str, Any]) -> Fit:
    parts = {
        part: kind(**{field: stored[f"{part}.{field}"] for field in kind._fields})
        for part, kind in _PARTS.items()
    }
    return Fit(
        spec=Spec(**meta["spec"]),
        params=Params(**parts),
        elbo=meta["elbo"],
        converged=meta["converged"],
        notes=tuple(meta["notes"]),
        **{name: stored[name] for name in _ARRAYS},
    )
