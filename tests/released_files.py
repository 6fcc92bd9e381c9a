"""Files as the authors' code writes them."""

from __future__ import annotations

import io
import zipfile

import numpy as np

N, U, M = 4, 2, 1  # state, inputs, outputs


def content(rng=None) -> dict:
    """A file's dict as the authors' code lays it out: matrices act on columns, (h, u) side by side."""
    rng = np.random.default_rng(0) if rng is None else rng

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    return {
        "rnn": {
            "wRUHX": normal(2 * N, N + U),
            "bRU": normal(2 * N),
            "wCHX": normal(N, N + U),
            "bC": normal(N),
            "h0": normal(N),
        },
        "mlp": [{"W": normal(N, N), "b": normal(N)} for _ in range(2)],
        "out": {"W": normal(M, N), "b": normal(M)},
    }


def pack(path, member: bytes, name="arr_0.npy"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, member)
    return path


def npy(pickled: bytes) -> bytes:
    """`pickled` as the payload of a 0-dimensional object array in .npy form."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": ()})
    return stream.getvalue() + pickled
