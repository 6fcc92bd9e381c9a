"""Steps of PyTorch's and Keras's layers, kept for tests: `python make.py torch`, and `keras`.

Neither library is needed to run the tests. Each file holds a layer's weights by the library's own names,
and a thousand of its steps from random states under random inputs.
"""

import sys
from pathlib import Path

import numpy as np

N, U, STEPS = 4, 3, 1000
FOLDER = Path(__file__).parent
RNG = np.random.default_rng(0)


def numbers(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def save(kind, weights, readout, **steps):
    checks = {f"check.{k}": np.asarray(x) for k, x in steps.items()}
    path = FOLDER / f"{kind}.npz"
    np.savez_compressed(path, **{k: np.asarray(x) for k, x in weights.items()}, **readout, **checks)


def of_torch():
    import torch

    readout = {"readout.weight": numbers(2, N), "readout.bias": numbers(2)}
    layers = {
        "torch.RNN": torch.nn.RNN(U, N),
        "torch.RNN_relu": torch.nn.RNN(U, N, nonlinearity="relu"),
        "torch.GRU": torch.nn.GRU(U, N),
        "torch.LSTM": torch.nn.LSTM(U, N),
    }
    for kind, layer in layers.items():
        with torch.no_grad():
            for p in layer.parameters():
                p.copy_(torch.from_numpy(numbers(*p.shape)))
            u, h, c = (torch.from_numpy(numbers(STEPS, k)) for k in (U, N, N))
            if "LSTM" in kind:
                _, (ahead, c_ahead) = layer(u[None], (h[None], c[None]))
                steps = {"c": c, "next_c": c_ahead[0]}
            else:
                _, ahead = layer(u[None], h[None])
                steps = {}
            save(kind, layer.state_dict(), readout, u=u, h=h, next_h=ahead[0], **steps)


def of_keras():
    from keras import layers

    readout = {"readout.kernel": numbers(N, 2), "readout.bias": numbers(2)}
    cells = {
        "keras.SimpleRNN": layers.SimpleRNNCell(N),
        "keras.GRU": layers.GRUCell(N),
        "keras.GRU_before": layers.GRUCell(N, reset_after=False),
        "keras.LSTM": layers.LSTMCell(N),
    }
    for kind, cell in cells.items():
        u, h, c = (numbers(STEPS, k) for k in (U, N, N))
        before = [h, c] if "LSTM" in kind else [h]
        cell(u, before)
        for w in cell.weights:
            w.assign(numbers(*w.shape))
        _, after = cell(u, before)
        steps = {"c": c, "next_c": after[1]} if "LSTM" in kind else {}
        save(kind, {w.name: w for w in cell.weights}, readout, u=u, h=h, next_h=after[0], **steps)


if __name__ == "__main__":
    {"torch": of_torch, "keras": of_keras}[sys.argv[1]]()
