"""This project's own network files: an npz of plain arrays with a JSON description, read without pickles."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.cells import get_cell, is_built_in
from jslds_bench.dynamics.jslds import refined
from jslds_bench.entries import calls
from jslds_bench.entries.registry import CELLS
from jslds_bench.errors import UsageError, printable, said
from jslds_bench.files import DAMAGE, npz_arrays, read_file
from jslds_bench.types.core import Affine, Cell, FixedPoints, Layer, Network, NetworkStep, Readout

PLUGIN_NEEDED = "the cell of a plug-in needs its file: --plugin FILE, or `plugins` in the suite"
FORMAT = "jslds-bench network"
SCHEMAS = (1, 2)
"""Read are both. Written is 1, unless E sees the input or ends with steps of the network: a reader of 1 alone
would leave these out."""
_TRUTH = ("points", "eigenvalues", "u_star")
_N_STEPS = 16
_AGREE = 1e-4
"""How far kept steps may be from those of the cell that there is now, relative to the largest above 1."""


def network_bytes(network: Network) -> bytes:
    """The file's content; equal networks give equal bytes."""
    arrays: dict[str, Any] = {
        "h0": network.h0,
        "readout.w": network.readout.w,
        "readout.b": network.readout.b,
    }
    for i, stage in enumerate(network.params):
        arrays |= {f"stage{i}.{part}": getattr(stage, part) for part in "wvb"}
    layers, n_steps = _of_expansion(network)
    for i, layer in enumerate(layers):
        arrays |= {f"expansion{i}.{part}": x for part, x in layer._asdict().items() if x is not None}
    arrays |= {f"history.{name}": values for name, values in network.history.items()}
    for i, known in enumerate(network.truth or ()):
        arrays |= {f"truth{i}.{part}": getattr(known, part) for part in _TRUTH}
    if can_be_read(network) and not is_built_in(network.cell):
        arrays["check.next_h"] = _next_states(network)
    about = {
        "format": FORMAT,
        "schema": 2 if n_steps or any(layer.v is not None for layer in layers) else 1,
        "cell": _cell_name(network.cell),
        "kind": network.kind,
        "n_expansion": len(layers),
    }
    if n_steps:
        about["n_refine"] = n_steps
    if network.truth is not None:
        about["n_truth"] = len(network.truth)
    arrays["about"] = np.array(json.dumps(about, sort_keys=True))
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{k: np.asarray(a) for k, a in arrays.items()})
    return buffer.getvalue()


def _of_expansion(network: Network) -> tuple[list[Layer], int]:
    """The layers of E with numbers of their own, and how many steps of the network come last."""
    phi = network.expansion or ()
    return [layer for layer in phi if isinstance(layer, Layer)], refined(phi)


def can_be_read(network: Network) -> bool:
    """Whether a file has place for it: not for a cell that is not registered, nor a kind of `Network`."""
    return type(network) is Network and _cell_name(network.cell) == network.cell.name


def is_whole(network: Network) -> bool:
    """Whether a file has place for all of it: E's layers before its steps, points of no search, float32."""
    phi, (layers, n_steps) = network.expansion, _of_expansion(network)
    kept = None if phi is None else [Layer] * len(layers) + [NetworkStep] * n_steps
    if kept != (None if phi is None else [type(part) for part in phi]) or kept == []:
        return False
    own = jax.tree.leaves((network.params, network.h0, network.readout, layers))
    if any(np.asarray(leaf).dtype != np.float32 for leaf in own):
        return False
    truth = network.truth or ()
    return all(_same(known, known_points(*(getattr(known, part) for part in _TRUTH))) for known in truth)


def _same(one: FixedPoints, other: FixedPoints) -> bool:
    """`completeness` may be None, which is no number."""
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(np.asarray(a, object if a is None else None), np.asarray(b)) for a, b in pairs)


def _cell_name(cell: Cell) -> str:
    """The cell's name, if that is the registered cell; else one that no reader takes for such a one.

    The cell of a plug-in's network may bear the name of a registered one: read back by that name, another
    network would come of it.
    """
    try:
        if get_cell(cell.name) == cell:
            return cell.name
    except UsageError:
        pass
    return f"{cell.name} (of {getattr(cell.output, '__module__', 'a plug-in')})"


def _next_states(network: Network) -> np.ndarray:
    """F(h, u) at a few states and inputs: tells the cell of a plug-in from another that has its name."""
    rng = np.random.default_rng(0)
    h, u = (rng.normal(size=(_N_STEPS, n)).astype(np.float32) for n in (network.n_state, network.n_inputs))
    return np.asarray(network.step(jnp.asarray(h), jnp.asarray(u)))


def _check_steps(network: Network, arrays: dict[str, np.ndarray], path: Path) -> None:
    """Raises UsageError where the file holds next states that are not those of its cell."""
    if "check.next_h" not in arrays:
        return
    kept, now = arrays["check.next_h"], _next_states(network)
    if kept.shape != now.shape or not np.allclose(kept, now, rtol=_AGREE, atol=_AGREE, equal_nan=True):
        raise UsageError(
            f"checkpoint {path}: cell {network.cell.name!r} takes other steps than when the file was made; "
            "its plug-in has changed, or is another"
        )


def read_network(path: Path) -> Network:
    """The network stored at `path`, in float32.

    Raises:
        UsageError: missing, truncated, not such a file, of another schema, or with arrays that do not fit.
    """
    return network_of(file_of(path), path)


def file_of(path: Path) -> bytes:
    """The content of the checkpoint at `path`; raises UsageError where there is none that can be read."""
    try:
        return read_file(path)
    except FileNotFoundError:
        raise UsageError(f"no checkpoint at {path}") from None
    except OSError as error:
        raise UsageError(f"checkpoint {path} cannot be read: {error.strerror or error}") from error


def network_of(data: bytes, path: Path) -> Network:
    """The network whose file at `path` holds `data`; raises as `read_network` does."""
    try:
        arrays = npz_arrays(data)
        if "about" not in arrays:
            raise UsageError(
                f"{path} is not a jslds-bench checkpoint: it holds {held(arrays)} and no 'about'"
            )
        about = json.loads(str(arrays.pop("about")))
    except UsageError:
        raise
    except DAMAGE as error:
        raise UsageError(f"{path} is not a jslds-bench checkpoint, or is damaged: {said(error)}") from error
    cell, kind, n_expansion, n_refine = _description(about, path)

    def take(name: str) -> jax.Array:
        if name not in arrays:
            raise UsageError(f"checkpoint {path} lacks the array {name!r}")
        return real(arrays[name], f"{path}: {name}")

    def layer(i: int) -> Layer:
        sees = f"expansion{i}.v" in arrays
        return Layer(*(take(f"expansion{i}.{p}") for p in ("wbv" if sees else "wb")))

    network = Network(
        cell,
        tuple(Affine(*(take(f"stage{i}.{p}") for p in "wvb")) for i in range(len(cell.widths))),
        take("h0"),
        Readout(take("readout.w"), take("readout.b")),
        (*(layer(i) for i in range(n_expansion)), *[NetworkStep()] * n_refine) or None,
        kind,
        {k.removeprefix("history."): a for k, a in arrays.items() if k.startswith("history.")},
        _truth(arrays, about, path),
    )
    check_shapes(network, str(path))
    _check_steps(network, arrays, path)
    return network


def held(names: Iterable[str], most: int = 3) -> str:
    """The first of the `names` of a file's arrays, for a message: they may be anything."""
    first, more = (short := [printable(name)[:40] for name in names])[:most], len(short) > most
    return (", ".join(first) or "nothing") + " …" * more


def cell_of_file(path: Path) -> str | None:
    """The name of the cell of the network stored at `path`; None where nothing can be read of it."""
    return _about(path).get("cell")


def is_checkpoint(path: Path) -> bool:
    """Whether the file at `path` says that it is one of these, whatever its schema and cell."""
    return _about(path).get("format") == FORMAT


def _about(path: Path) -> dict[str, Any]:
    """What the file at `path` says of itself; nothing where that cannot be read."""
    try:
        about = json.loads(str(npz_arrays(read_file(path))["about"]))
    except DAMAGE:
        return {}
    return about if isinstance(about, dict) else {}


def _truth(
    arrays: dict[str, np.ndarray], about: dict[str, Any], path: Path
) -> tuple[FixedPoints, ...] | None:
    """The network's known fixed points, where the file has them."""
    count = about.get("n_truth")
    if count is None:
        return None
    if not isinstance(count, int) or not 0 <= count <= 1000:
        raise UsageError(f"checkpoint {path} has n_truth {count!r}, expected a small number")
    truth = []
    for i in range(count):
        try:
            points, values, u_star = (arrays[f"truth{i}.{part}"] for part in _TRUTH)
        except KeyError as error:
            raise UsageError(f"checkpoint {path} lacks the array {error}") from None
        if points.dtype != np.float64 or values.dtype != np.complex128 or u_star.dtype != np.float32:
            raise UsageError(f"{path}: truth{i} has arrays of other types than this version writes")
        truth.append(known_points(points, values, u_star))
    return tuple(truth)


def known_points(points: np.ndarray, eigenvalues: np.ndarray, u_star: Any) -> FixedPoints:
    """Fixed points that no search found: q = 0, no candidates, none missing."""
    unstable = (np.abs(eigenvalues) > 1 + 1e-3).sum(axis=-1)
    return FixedPoints(points, np.zeros(len(points)), eigenvalues, unstable, u_star, 0, 0, 1.0)


def _description(about: Any, path: Path) -> tuple[Cell, str, int, int]:
    """Cell, kind, number of expansion layers, and of steps of the network after them."""
    about = about if isinstance(about, dict) else {}
    if about.get("format") != FORMAT or about.get("schema") not in SCHEMAS:
        raise UsageError(
            f"{path} holds {about.get('format')!r} with schema {about.get('schema')!r}; this version reads "
            f"{FORMAT!r} with schema {' or '.join(map(str, SCHEMAS))}"
        )
    cell, kind, n_expansion = (about.get(key) for key in ("cell", "kind", "n_expansion"))
    if not isinstance(cell, str) or not isinstance(kind, str):
        raise UsageError(f"checkpoint {path} has cell {cell!r} and kind {kind!r}, expected two names")
    if not isinstance(n_expansion, int) or not 0 <= n_expansion <= 100:
        raise UsageError(f"checkpoint {path} has n_expansion {n_expansion!r}, expected a small number")
    n_refine = about.get("n_refine", 0)
    if not isinstance(n_refine, int) or not 0 <= n_refine <= (10 if n_expansion else 0):
        raise UsageError(
            f"checkpoint {path} has n_refine {n_refine!r}, expected 0 to 10 steps after an expansion network"
        )
    try:
        return get_cell(cell), kind, n_expansion, n_refine
    except UsageError as error:
        lost = "" if calls.name_in(cell) in CELLS else f"; {PLUGIN_NEEDED}"
        raise UsageError(f"checkpoint {path}: {error}{lost}") from error


def real(array: Any, what: str) -> jax.Array:
    """`array` in float32; raises UsageError if it does not hold real numbers."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        held = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise UsageError(f"{what} holds {held}, expected real numbers")
    with np.errstate(over="ignore"):  # what becomes infinite is refused by `check_shapes`
        return jnp.asarray(array.astype(np.float32))


def check_shapes(network: Network, what: str) -> None:
    """Raises UsageError unless all shapes follow from N, U, O and the cell, and all numbers are finite."""
    sized = (network.h0, network.params[0].v, network.readout.b)
    n, u, o = (x.shape[0] if x.ndim else 1 for x in sized)
    expected: list[tuple[str, Any, tuple[int, ...]]] = [
        ("h0", network.h0, (n,)),
        ("readout weights", network.readout.w, (n, o)),
        ("readout bias", network.readout.b, (o,)),
    ]
    for i, (stage, width) in enumerate(zip(network.params, network.cell.widths, strict=True)):
        shapes: tuple[tuple[int, ...], ...] = ((n, width * n), (u, width * n), (width * n,))
        if i in network.cell.gains:
            shapes = ((n,), (u, 0), (0,))
        expected += [(f"stage {i} {p}", getattr(stage, p), s) for p, s in zip("wvb", shapes, strict=True)]
    for i, layer in enumerate(_of_expansion(network)[0]):
        expected += [(f"expansion layer {i} w", layer.w, (n, n)), (f"expansion layer {i} b", layer.b, (n,))]
        if layer.v is not None:
            expected.append((f"expansion layer {i} v", layer.v, (u, n)))
    for i, known in enumerate(network.truth or ()):
        p = len(known.points)
        of_truth = zip(_TRUTH, ((p, n), (p, n), (u,)), strict=True)
        expected += [(f"truth {i} {part}", getattr(known, part), s) for part, s in of_truth]
    for name, array, shape in expected:
        if array.shape != shape:
            raise UsageError(
                f"{what}: {name} has shape {array.shape}, expected {shape} for N={n}, U={u}, O={o}"
            )
        if not np.isfinite(np.asarray(array)).all():
            raise UsageError(f"{what}: {name} holds numbers that are not finite")
