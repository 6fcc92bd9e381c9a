"""The authors' released weight files: the one place that unpickles, and it admits plain arrays only.

Those ``.npz`` files hold pickled dicts of arrays. A pickle can run any code when it is loaded, so this reader
resolves four names, those that rebuild a NumPy array, and refuses every other by name.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.format import DAMAGE, check_shapes, real
from jslds_bench.types.core import Affine, Layer, Network, Readout

_LARGEST = 64 * 2**20  # bytes of one unpacked member; the released files have 0.2 MB
_DAMAGE: tuple[type[Exception], ...] = (
    *DAMAGE,
    *(IndexError, TypeError, AttributeError, OverflowError, pickle.UnpicklingError),
)


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise UsageError(
            f"refuses to load {module}.{name}: only NumPy arrays in dicts and lists are admitted"
        )


def read_released(path: Path) -> Network:
    """The network in one of the authors' released files (a GRU: ``rnn``, ``mlp``, ``out``).

    Their matrices act on columns, ``wRUHX`` [2N, N+U] on (h, u); here rows are inputs, so they are split and
    transposed. Their second layer list ``mlp`` is φ.

    Raises:
        UsageError: missing, truncated, hostile, or not such a file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("arr_0.npy").file_size > _LARGEST:
                raise UsageError(f"{path}: its first array is larger than {_LARGEST} bytes")
            data = archive.read("arr_0.npy")
        content = _unpickle(data)
        network = _network(content["rnn"], content["mlp"], content["out"])
    except FileNotFoundError:
        raise UsageError(f"no checkpoint at {path}") from None
    except UsageError as error:
        # one line, whatever names a damaged or hostile file brings into the message
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
    except _DAMAGE as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{path} is not a released JSLDS weight file, or is damaged ({reason})") from error
    check_shapes(network, str(path))
    return network


def _network(rnn: Any, mlp: Any, out: Any) -> Network:
    """θ, φ and readout with rows as inputs."""
    gates, candidate, h0 = (real(rnn[name], name) for name in ("wRUHX", "wCHX", "h0"))
    n = h0.shape[0]
    return Network(
        get_cell("gru"),
        (
            Affine(gates[:, :n].T, gates[:, n:].T, real(rnn["bRU"], "bRU")),
            Affine(candidate[:, :n].T, candidate[:, n:].T, real(rnn["bC"], "bC")),
        ),
        h0,
        Readout(real(out["W"], "out W").T, real(out["b"], "out b")),
        tuple(Layer(real(layer["W"], "mlp W").T, real(layer["b"], "mlp b")) for layer in mlp),
        "checkpoint",
    )


def _unpickle(data: bytes) -> Any:
    """The object of a 0-dimensional object array in .npy form."""
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise UsageError("its first array is not in version 1.0 of the npy format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if shape != () or dtype != np.dtype(object):
        raise UsageError(f"its first array has shape {shape} and type {dtype}, expected one pickled dict")
    array = _ArraysOnly(stream).load()
    content = array.item() if isinstance(array, np.ndarray) and array.shape == () else array
    if not isinstance(content, dict):
        raise UsageError(f"its first array holds a {type(content).__name__}, expected a dict")
    return content
