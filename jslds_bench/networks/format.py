"""This project's own network files: an npz of plain arrays with a JSON description, read without pickles."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.errors import UsageError
from jslds_bench.types import Affine, Layer, Network, Readout

SCHEMA = 1


def network_bytes(network: Network) -> bytes:
    """The file's content; equal networks give equal bytes."""
    arrays: dict[str, Any] = {
        "h0": network.h0,
        "readout.w": network.readout.w,
        "readout.b": network.readout.b,
    }
    for i, stage in enumerate(network.params):
        arrays |= {f"stage{i}.{part}": getattr(stage, part) for part in "wvb"}
    for i, layer in enumerate(network.expansion or ()):
        arrays |= {f"expansion{i}.{part}": getattr(layer, part) for part in "wb"}
    arrays |= {f"history.{name}": values for name, values in network.history.items()}
    about = {
        "format": "jslds-bench network",
        "schema": SCHEMA,
        "cell": network.cell.name,
        "kind": network.kind,
        "n_expansion": len(network.expansion or ()),
    }
    arrays["about"] = np.array(json.dumps(about, sort_keys=True))
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{k: np.asarray(a) for k, a in arrays.items()})
    return buffer.getvalue()


def read_network(path: Path) -> Network:
    """The network stored at `path`.

    Raises:
        UsageError: missing, truncated, not such a file, of another schema, or with arrays that do not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(str(arrays.pop("about")))
    except FileNotFoundError:
        raise UsageError(f"no checkpoint at {path}") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is not a jslds-bench checkpoint, or is damaged: {error}") from error
    if about.get("format") != "jslds-bench network" or about.get("schema") != SCHEMA:
        raise UsageError(
            f"{path} holds {about.get('format')!r} with schema {about.get('schema')!r}; this version reads "
            f"'jslds-bench network' with schema {SCHEMA}"
        )
    cell = get_cell(about["cell"])
    try:
        stages = tuple(
            Affine(*(jnp.asarray(arrays[f"stage{i}.{p}"]) for p in "wvb")) for i in range(len(cell.widths))
        )
        phi = tuple(
            Layer(*(jnp.asarray(arrays[f"expansion{i}.{p}"]) for p in "wb"))
            for i in range(about["n_expansion"])
        )
        network = Network(
            cell,
            stages,
            jnp.asarray(arrays["h0"]),
            Readout(jnp.asarray(arrays["readout.w"]), jnp.asarray(arrays["readout.b"])),
            phi or None,
            about["kind"],
            {k.removeprefix("history."): a for k, a in arrays.items() if k.startswith("history.")},
        )
    except KeyError as error:
        raise UsageError(f"checkpoint {path} lacks the array {error}") from error
    check_shapes(network, str(path))
    return network


def check_shapes(network: Network, what: str) -> None:
    """Raises UsageError unless all shapes follow from N, U, O and the cell, and all numbers are finite."""
    n, u, o = network.h0.shape[-1], network.params[0].v.shape[0], network.readout.b.shape[-1]
    expected: list[tuple[str, Any, tuple[int, ...]]] = [
        ("h0", network.h0, (n,)),
        ("readout weights", network.readout.w, (n, o)),
        ("readout bias", network.readout.b, (o,)),
    ]
    for i, (stage, width) in enumerate(zip(network.params, network.cell.widths, strict=True)):
        shapes = ((n, width * n), (u, width * n), (width * n,))
        expected += [(f"stage {i} {p}", getattr(stage, p), s) for p, s in zip("wvb", shapes, strict=True)]
    for i, layer in enumerate(network.expansion or ()):
        expected += [(f"expansion layer {i} w", layer.w, (n, n)), (f"expansion layer {i} b", layer.b, (n,))]
    for name, array, shape in expected:
        if array.shape != shape:
            raise UsageError(
                f"{what}: {name} has shape {array.shape}, expected {shape} for N={n}, U={u}, O={o}"
            )
        if not np.isfinite(np.asarray(array)).all():
            raise UsageError(f"{what}: {name} holds numbers that are not finite")
