"""Weights of other libraries' recurrent layers, by their own names, as networks of this package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.entries.registry import nearest
from jslds_bench.errors import UsageError, said
from jslds_bench.files import DAMAGE, read_npz
from jslds_bench.networks._shared.format import check_shapes, real
from jslds_bench.types.core import Affine, Network, Readout

AGREE = 1e-5
"""How far the next states of an imported network may be from those that came with it."""


class Gates(NamedTuple):
    """A layer in one convention: rows are inputs, gates side by side in the order of `KINDS`.

    Attributes:
        w, v: recurrent and input matrices, [N, G N] and [U, G N].
        b: what is added to the gates, [G N].
        b_w: the part of it that belongs to the recurrent product, where that is told apart.
    """

    w: np.ndarray
    v: np.ndarray
    b: np.ndarray
    b_w: np.ndarray


class Kind(NamedTuple):
    """A layer of some library.

    Attributes:
        cell: of this package.
        order: where each gate of the cell stands among the layer's.
        shapes: of the library's arrays by name, as it has them; the first is the recurrent matrix.
        read: these arrays → `Gates`.
        about: in words.
    """

    cell: str
    order: tuple[int, ...]
    shapes: Mapping[str, tuple[str, ...]]
    read: Callable[[Mapping[str, np.ndarray]], Gates]
    about: str


def import_network(kind: str, arrays: Mapping[str, Any]) -> Network:
    """The network that a recurrent layer of another library is, with its linear readout.

    Equations and the order of gates are those of the libraries' documentation, tested by stepping both.

    Args:
        kind: one of `KINDS`, as "torch.GRU".
        arrays: by the library's own names, of one layer in one direction:

            torch.*: weight_ih_l0 [G N, U], weight_hh_l0 [G N, N] and both of bias_ih_l0, bias_hh_l0 [G N] or
            none; readout.weight [O, N].
            keras.*: kernel [U, G N], recurrent_kernel [N, G N], bias [G N] ([2, G N] of a GRU that resets
            after the product); readout.kernel [N, O].
            flax.*: dense_i.kernel [U, G N], dense_h.kernel [N, G N], dense_i.bias or dense_h.bias [G N]; of
            LSTMCell ii, if_, ig, io .kernel and hi, hf, hg, ho .kernel and .bias; readout.kernel [N, O].
            All: readout.bias [O]; the initial state h0 [N], [1, N] or [1, 1, N] and, of an LSTM, c0, zero if
            left out; and steps that the library made, to be repeated here: check.u [S, U], check.h and
            check.next_h [S, N], of an LSTM check.c and check.next_c too.

    A square matrix that was transposed on the way fits, and is another network: `check` tells.

    Raises:
        UsageError: an unknown kind, arrays that are missing, of other shapes or not known, or steps that are
            not those of the library.
    """
    if not isinstance(kind, str) or not isinstance(arrays, Mapping):
        raise UsageError(
            f"import_network got a {type(kind).__name__} and a {type(arrays).__name__}, expected a layer and "
            'its arrays by name, as import_network("torch.GRU", numpy.load("weights.npz"))'
        )
    if kind not in KINDS:
        raise UsageError(f"unknown layer {kind!r}{nearest(kind, list(KINDS))} (known: {', '.join(KINDS)})")
    left = {name: np.asarray(real(np.asarray(a), name), np.float32) for name, a in arrays.items()}
    for name in {"h0", "c0"} & set(left):  # PyTorch has one of each layer and sequence: [1, 1, N]
        shape = left[name].shape
        left[name] = left[name].reshape(shape[-1:] if set(shape[:-1]) <= {1} else shape)
    given = _Given(left, kind)
    _check_given(given, kind)
    gates = KINDS[kind].read(given)
    n = gates.w.shape[0]
    w_out, b_out = _readout(given, kind)
    h0 = given.get("h0", np.zeros(n, np.float32))
    cell, network_of = get_cell(KINDS[kind].cell), _STAGES[KINDS[kind].cell.split("(")[0]]
    stages = network_of(*(_split(part, KINDS[kind].order, n) for part in gates))
    if cell.name == "lstm":
        h0 = np.concatenate([given.get("c0", np.zeros(n, np.float32)), h0])
        w_out = np.concatenate([np.zeros_like(w_out), w_out])
    network = Network(
        cell,
        tuple(Affine(*(jnp.asarray(x, jnp.float32) for x in stage)) for stage in stages),
        jnp.asarray(h0),
        Readout(jnp.asarray(w_out), jnp.asarray(b_out)),
        None,
        "imported",
    )
    check_shapes(network, kind)
    _check(network, given, kind)
    return network


def import_file(kind: str, path: Path) -> tuple[Network, int]:
    """The network whose arrays the npz at `path` holds, and how many steps beside them it was checked on.

    Raises:
        UsageError: no such file, damaged, or as `import_network` does.
    """
    try:
        arrays = read_npz(path)
    except FileNotFoundError:
        raise UsageError(f"no file at {path}") from None
    except DAMAGE as error:
        raise UsageError(f"{path} is no npz file of plain arrays, or is damaged: {said(error)}") from error
    return import_network(kind, arrays), len(arrays.get("check.u", ()))


class _Given(dict[str, np.ndarray]):
    """The given arrays; what is not among them is complained about."""

    def __init__(self, arrays: Mapping[str, np.ndarray], kind: str) -> None:
        super().__init__(arrays)
        self._kind = kind

    def __missing__(self, name: str) -> np.ndarray:
        raise UsageError(
            f"{self._kind}: no array {name!r}{nearest(name, list(self))} among {', '.join(self)}"
        )


def _check_given(given: _Given, kind: str) -> None:
    """Raises UsageError for an array that the layer does not have, or has of another shape.

    All is said of the arrays as they were given, for that is what a person can look at and change.
    """
    shapes, n_gates = _shapes(kind), len(KINDS[kind].order)
    recurrent = given[next(iter(shapes))]
    if unknown := sorted(set(given) - set(shapes)):  # a second layer, another direction, a slip
        near = nearest(unknown[0], [name for name in shapes if name not in given])
        raise UsageError(f"{kind}: nothing is known of the array {unknown[0]!r}{near}")
    sizes = _sizes(recurrent, n_gates)
    for name, dims in shapes.items():
        if name not in given:
            continue
        shape = given[name].shape
        turned = not _fits(shape, dims, sizes) and _fits(shape[::-1], dims, sizes)
        if len(shape) == len(dims):
            sizes = dict(zip(dims, shape[::-1] if turned else shape, strict=True)) | sizes
        if name in ("h0", "c0") and len(shape) == 1 and not _fits(shape, dims, sizes):
            raise UsageError(
                f"{kind}: {name} has {shape[0]} numbers, the recurrent matrix is of {sizes['N']} units"
            )
        if not _fits(shape, dims, sizes):
            expected = [str(sizes.get(dim, dim.replace("G N", f"{n_gates} N"))) for dim in dims]
            known = ", ".join(f"{dim}={sizes[dim]}" for dim in "NUOS" if dim in sizes)
            hint = ": transposed?" if turned else _OTHER_BIAS.get(kind, "") if name == "bias" else ""
            raise UsageError(
                f"{name} has shape {shape}, {kind} has ({', '.join(expected)}{',' * (len(dims) == 1)})"
                f"{known and f' for {known}'}{hint}"
            )
        if not np.isfinite(given[name]).all():
            raise UsageError(f"{kind}: {name} holds numbers that are not finite in float32")


def likely_layers(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """The kinds whose matrices, number of gates and rows of biases the arrays have, transposed or not."""
    found = []
    for kind, (_, order, shapes, *_) in KINDS.items():
        matrices = [name for name, dims in shapes.items() if len(dims) == 2 and name != "bias"]
        if set(matrices) <= set(arrays) and all(
            arrays[name].ndim == len(dims) for name, dims in shapes.items() if name in arrays
        ):
            recurrent, dims = arrays[matrices[0]], shapes[matrices[0]]
            sizes = _sizes(recurrent, len(order))
            if _fits(recurrent.shape, dims, sizes) or _fits(recurrent.shape[::-1], dims, sizes):
                found.append(kind)
    return found


def _sizes(recurrent: np.ndarray, n_gates: int) -> dict[str, int]:
    """What the recurrent matrix says of the sizes of all arrays: its shorter side is N, transposed or not."""
    if recurrent.ndim != 2:
        return {"2": 2}
    return {"2": 2, "N": min(recurrent.shape), "G N": n_gates * min(recurrent.shape)}


def _fits(shape: tuple[int, ...], dims: tuple[str, ...], sizes: Mapping[str, int]) -> bool:
    """Whether `dims` can be `shape` where some of them are known to be `sizes`."""
    return len(shape) == len(dims) and all(
        sizes.get(dim, size) == size for dim, size in zip(dims, shape, strict=True)
    )


def _shapes(kind: str) -> dict[str, tuple[str, ...]]:
    """Of all arrays that may be given."""
    of_readout = (
        {"readout.weight": ("O", "N")} if kind.startswith("torch") else {"readout.kernel": ("N", "O")}
    )
    parts = ("h", "c") if KINDS[kind].cell == "lstm" else ("h",)
    shapes = {**KINDS[kind].shapes, **of_readout, "readout.bias": ("O",), "check.u": ("S", "U")}
    for part in parts:
        shapes |= {f"{part}0": ("N",), f"check.{part}": ("S", "N"), f"check.next_{part}": ("S", "N")}
    return shapes


_OTHER_BIAS = {
    "keras.GRU": ": one row is that of reset_after=False: keras.GRU_before",
    "keras.GRU_before": ": two rows are those of reset_after=True: keras.GRU",
}


def _readout(given: _Given, kind: str) -> tuple[np.ndarray, np.ndarray]:
    w = given["readout.weight"].T if kind.startswith("torch") else given["readout.kernel"]
    return w, given.get("readout.bias", np.zeros(w.shape[-1], np.float32))


def _check(network: Network, given: _Given, kind: str) -> None:
    """Raises UsageError unless the steps that came along are the network's."""
    if not any(name.startswith("check.") for name in given):
        return
    h, ahead = given["check.h"], given["check.next_h"]
    if network.cell.name == "lstm":
        h, ahead = (
            np.concatenate(pair, axis=-1) for pair in ((given["check.c"], h), (given["check.next_c"], ahead))
        )
    u = given["check.u"]
    gap = float(np.abs(np.asarray(network.step(jnp.asarray(h), jnp.asarray(u))) - ahead).max(initial=0))
    if not gap <= AGREE:
        raise UsageError(
            f"{kind}: the imported network's next states are up to {gap:.3g} from those in check.next_h (at "
            f"most {AGREE:g} is rounding): is a matrix transposed, or the layer of another kind?"
        )


def _split(part: np.ndarray, order: tuple[int, ...], n: int) -> list[np.ndarray]:
    """The gates' columns, in the cell's order."""
    return [part[..., k * n : (k + 1) * n] for k in order]


def _one_gate(w: Any, v: Any, b: Any, b_w: Any) -> list[tuple[Any, ...]]:
    return [(w[0], v[0], b[0] + b_w[0])]


def _gru_stages(w: Any, v: Any, b: Any, b_w: Any) -> list[tuple[Any, ...]]:
    """Gates r, s, c; the candidate reads r∘h."""
    b = [x + y for x, y in zip(b, b_w, strict=True)]
    return [(_beside(w[:2]), _beside(v[:2]), _beside(b[:2])), (w[2], v[2], b[2])]


def _gru_after_stages(w: Any, v: Any, b: Any, b_w: Any) -> list[tuple[Any, ...]]:
    gates = (_beside(w[:2]), _beside(v[:2]), _beside([b[0] + b_w[0], b[1] + b_w[1]]))
    return [gates, (w[2], np.zeros_like(v[2]), b_w[2]), (np.eye(len(w[2])), v[2], b[2])]


def _lstm_stages(w: Any, v: Any, b: Any, b_w: Any) -> list[tuple[Any, ...]]:
    """Gates i, f, o, g, each twice; rows of c are zero but where it is copied."""
    n = len(w[0])

    def twice(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        both = np.concatenate([w[k], w[k]], axis=1)
        bias = b[k] + b_w[k]
        return np.concatenate([np.zeros_like(both), both]), _beside([v[k], v[k]]), _beside([bias, bias])

    three = [_beside(parts) for parts in zip(*(twice(k) for k in range(3)), strict=True)]
    copy = np.zeros((2 * n, 2 * n))
    copy[:n, :n] = copy[:n, n:] = np.eye(n)
    return [tuple(three), twice(3), (copy, np.zeros((len(v[0]), 2 * n)), np.zeros(2 * n))]


def _beside(parts: Any) -> np.ndarray:
    return np.concatenate(list(parts), axis=-1)


_STAGES: dict[str, Callable[..., list[tuple[Any, ...]]]] = {
    "vanilla": _one_gate,
    "leaky": _one_gate,
    "gru": _gru_stages,
    "gru_after": _gru_after_stages,
    "lstm": _lstm_stages,
}


def _torch(given: Mapping[str, np.ndarray]) -> Gates:
    w, v = given["weight_hh_l0"].T, given["weight_ih_l0"].T
    if not {"bias_ih_l0", "bias_hh_l0"} & set(given):
        return Gates(w, v, np.zeros(w.shape[1], np.float32), np.zeros(w.shape[1], np.float32))
    return Gates(w, v, given["bias_ih_l0"], given["bias_hh_l0"])


def _keras(given: Mapping[str, np.ndarray]) -> Gates:
    w, v = given["recurrent_kernel"], given["kernel"]
    none = np.zeros(w.shape[1], np.float32)
    return Gates(w, v, given.get("bias", none), none)


def _keras_after(given: Mapping[str, np.ndarray]) -> Gates:
    w, v = given["recurrent_kernel"], given["kernel"]
    if "bias" not in given:
        return _keras(given)
    return Gates(w, v, given["bias"][0], given["bias"][1])


def _flax(given: Mapping[str, np.ndarray]) -> Gates:
    w, v = given["dense_h.kernel"], given["dense_i.kernel"]
    none = np.zeros(w.shape[1], np.float32)
    return Gates(w, v, given.get("dense_i.bias", none), given.get("dense_h.bias", none))


def _flax_lstm(given: Mapping[str, np.ndarray]) -> Gates:
    w, v, b = (
        _beside([given[name] for name in names])
        for names in (
            ("hi.kernel", "hf.kernel", "hg.kernel", "ho.kernel"),
            ("ii.kernel", "if_.kernel", "ig.kernel", "io.kernel"),
            ("hi.bias", "hf.bias", "hg.bias", "ho.bias"),
        )
    )
    return Gates(w, v, b, np.zeros_like(b))


_OF_TORCH = {
    "weight_hh_l0": ("G N", "N"),
    "weight_ih_l0": ("G N", "U"),
    "bias_ih_l0": ("G N",),
    "bias_hh_l0": ("G N",),
}
_OF_KERAS = {"recurrent_kernel": ("N", "G N"), "kernel": ("U", "G N"), "bias": ("G N",)}
_OF_FLAX = {
    "dense_h.kernel": ("N", "G N"),
    "dense_i.kernel": ("U", "G N"),
    "dense_h.bias": ("G N",),
    "dense_i.bias": ("G N",),
}
_OF_FLAX_LSTM = {
    **{f"h{gate}.kernel": ("N", "N") for gate in "ifgo"},
    **{f"{gate}.kernel": ("U", "N") for gate in ("ii", "if_", "ig", "io")},
    **{f"h{gate}.bias": ("N",) for gate in "ifgo"},
}

KINDS: dict[str, Kind] = {
    "torch.RNN": Kind("vanilla", (0,), _OF_TORCH, _torch, "torch.nn.RNN, tanh"),
    "torch.RNN_relu": Kind(
        "leaky(alpha=1.0, f=relu)", (0,), _OF_TORCH, _torch, 'torch.nn.RNN, nonlinearity="relu"'
    ),
    "torch.GRU": Kind("gru_after", (0, 1, 2), _OF_TORCH, _torch, "torch.nn.GRU"),
    "torch.LSTM": Kind("lstm", (0, 1, 3, 2), _OF_TORCH, _torch, "torch.nn.LSTM without projection"),
    "keras.SimpleRNN": Kind("vanilla", (0,), _OF_KERAS, _keras, "keras.layers.SimpleRNN, tanh"),
    "keras.GRU": Kind(
        "gru_after",
        (1, 0, 2),
        _OF_KERAS | {"bias": ("2", "G N")},
        _keras_after,
        "keras.layers.GRU, reset_after=True (the default)",
    ),
    "keras.GRU_before": Kind("gru", (1, 0, 2), _OF_KERAS, _keras, "keras.layers.GRU, reset_after=False"),
    "keras.LSTM": Kind("lstm", (0, 1, 3, 2), _OF_KERAS, _keras, "keras.layers.LSTM"),
    "flax.SimpleCell": Kind("vanilla", (0,), _OF_FLAX, _flax, "flax.nnx.SimpleCell, tanh, not residual"),
    "flax.GRUCell": Kind("gru_after", (0, 1, 2), _OF_FLAX, _flax, "flax.nnx.GRUCell"),
    "flax.LSTMCell": Kind("lstm", (0, 1, 3, 2), _OF_FLAX_LSTM, _flax_lstm, "flax.nnx.LSTMCell"),
    "flax.OptimizedLSTMCell": Kind("lstm", (0, 1, 3, 2), _OF_FLAX, _flax, "flax.nnx.OptimizedLSTMCell"),
}
"""What `import_network` knows."""
