"""The authors' released weight files: ``.npz`` files that hold one pickled dict of arrays."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.errors import UsageError, said
from jslds_bench.files import DAMAGE, read_member
from jslds_bench.networks._shared.format import check_shapes, file_of, real
from jslds_bench.networks._shared.unpickling import unpickle, value_of
from jslds_bench.types.core import Affine, CellParams, Layer, Network, Readout

_DAMAGE: tuple[type[Exception], ...] = (*DAMAGE, pickle.UnpicklingError)
_LARGEST = 64 * 2**20  # bytes of one unpacked member; the released files have 0.2 MB


def read_released(path: Path) -> Network:
    """The network in one of the authors' released files (``rnn``, ``mlp``, ``out``): a GRU or a tanh network.

    Their matrices act on columns, ``wRUHX`` [2N, N+U] on (h, u); here rows are inputs, so they are split and
    transposed; likewise ``wR`` [N, N] and ``wI`` [N, U] of h' = tanh(wR h + wI u + bR). Their second layer
    list ``mlp`` is φ.

    Raises:
        UsageError: missing, truncated, hostile, or not such a file.
    """
    data = file_of(path)
    try:
        network = _network(_content(read_member(data, "arr_0.npy", _LARGEST)))
    except UsageError as error:
        # one line, whatever names a damaged or hostile file brings into the message
        raise UsageError(f"{path}: {said(error)}") from error
    except _DAMAGE as error:
        reason = f"{type(error).__name__}: {said(error)}"
        raise UsageError(f"{path} is not a released JSLDS weight file, or is damaged ({reason})") from error
    check_shapes(network, str(path))
    return network


def _network(content: dict[str, Any]) -> Network:
    """θ, φ and readout with rows as inputs."""
    rnn, out = (_dict(content[part], part) for part in ("rnn", "out"))
    layers = [_dict(layer, "a layer of mlp") for layer in value_of(content["mlp"], "mlp")]
    h0 = _numbers(rnn, "h0")
    n = h0.shape[0]

    def split(weights: str, bias: str) -> Affine:
        both = _numbers(rnn, weights)
        return Affine(both[:, :n].T, both[:, n:].T, _numbers(rnn, bias))

    theta: CellParams
    if "wRUHX" in rnn:
        cell, theta = "gru", (split("wRUHX", "bRU"), split("wCHX", "bC"))
    elif "wR" in rnn:
        cell = "vanilla"
        theta = (Affine(_numbers(rnn, "wR").T, _numbers(rnn, "wI").T, _numbers(rnn, "bR")),)
    else:
        raise UsageError(
            f"its rnn holds {', '.join(map(str, rnn))}; expected h0 with wRUHX, bRU, wCHX and bC (a GRU), or "
            "with wR, wI and bR (a tanh network)"
        )
    return Network(
        get_cell(cell),
        theta,
        h0,
        Readout(_numbers(out, "W").T, _numbers(out, "b")),
        tuple(Layer(_numbers(layer, "W").T, _numbers(layer, "b")) for layer in layers),
        "checkpoint",
    )


def _numbers(part: dict[str, Any], name: str) -> jax.Array:
    return real(value_of(part[name], name), name)


def _dict(found: Any, what: str) -> dict[str, Any]:
    content = value_of(found, what)
    if not isinstance(content, dict):
        raise UsageError(f"{what} is a {type(content).__name__}, expected a dict")
    return content


def _content(data: bytes) -> dict[str, Any]:
    """The object of a 0-dimensional object array in .npy form."""
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise UsageError("its first array is not in version 1.0 of the npy format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if shape != () or dtype != np.dtype(object):
        raise UsageError(f"its first array has shape {shape} and type {dtype}, expected one pickled dict")
    return _dict(unpickle(stream.read()), "its first array")
