"""Layers of PyTorch, Keras and Flax: the same next states, and words for what does not fit."""

import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jslds_bench
from jslds_bench.cli import main
from jslds_bench.dynamics.linearize import recurrent_jacobian
from jslds_bench.dynamics.rollout import rollout
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.foreign import KINDS, import_network
from jslds_bench.networks._shared.format import network_bytes, read_network
from jslds_bench.networks.checkpoint import Checkpoint
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types import CELLS

FOLDER = Path(__file__).parent / "foreign"
STORED = sorted(path.stem for path in FOLDER.glob("*.npz"))
FLAX = {kind: getattr(nnx, kind.removeprefix("flax.")) for kind in KINDS if kind.startswith("flax.")}
N, U = 4, 3


def stored(kind):
    with np.load(FOLDER / f"{kind}.npz", allow_pickle=False) as file:
        return dict(file)


def of_flax(kind):
    """A Flax layer with random weights, and a thousand of its steps."""
    rng = np.random.default_rng(1)

    def numbers(*shape):
        return rng.normal(size=shape).astype(np.float32)

    layer = FLAX[kind](U, N, rngs=nnx.Rngs(0))
    arrays = {}
    for path, variable in nnx.to_flat_state(nnx.state(layer, nnx.Param)):
        variable[...] = jnp.asarray(numbers(*variable.shape))
        arrays[".".join(map(str, path))] = np.asarray(variable[...])
        part = layer
        for word in path[:-1]:
            part = getattr(part, str(word))
        setattr(part, str(path[-1]), variable)
    u, h, c = (numbers(1000, k) for k in (U, N, N))
    carry = (jnp.asarray(c), jnp.asarray(h)) if "LSTM" in kind else jnp.asarray(h)
    after = layer(carry, jnp.asarray(u))[0]
    steps = {"u": u, "h": h, "next_h": after[1] if "LSTM" in kind else after}
    steps |= {"c": c, "next_c": after[0]} if "LSTM" in kind else {}
    readout = {"readout.kernel": numbers(N, 2), "readout.bias": numbers(2)}
    return arrays | readout | {f"check.{k}": np.asarray(x) for k, x in steps.items()}


def given(kind):
    return of_flax(kind) if kind in FLAX else stored(kind)


def test_every_layer_is_tested_and_described():
    assert {*STORED, *FLAX} == set(KINDS)
    page = (Path(__file__).parents[2] / "docs" / "networks.md").read_text("utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []
    assert [cell for cell in CELLS.registered() if not re.search(rf"`{cell}[`(]", page)] == []
    assert jslds_bench.import_network is import_network


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_s_own_steps_are_the_network_s(kind):
    arrays = given(kind)
    network = import_network(kind, arrays)  # which itself refuses steps that differ
    parts = ("c", "h") if "LSTM" in kind else ("h",)
    before, after = (
        np.concatenate([arrays[f"check.{prefix}{k}"] for k in parts], axis=1) for prefix in ("", "next_")
    )
    assert len(before) == 1000
    np.testing.assert_allclose(network.step(before, arrays["check.u"]), after, atol=1e-5)
    out = network.readout(jnp.asarray(after))
    w = arrays["readout.weight"].T if "readout.weight" in arrays else arrays["readout.kernel"]
    np.testing.assert_allclose(out, after[:, -N:] @ w + arrays["readout.bias"], atol=1e-4)


@pytest.mark.parametrize("kind", ["torch.GRU", "torch.LSTM"])
def test_imported_cells_have_the_fast_path_and_the_jacobian(kind):
    network = import_network(kind, given(kind))
    rng = np.random.default_rng(0)
    h0 = jnp.asarray(rng.normal(size=(3, network.n_state)), jnp.float32)
    inputs = jnp.asarray(rng.normal(size=(3, 5, U)), jnp.float32)
    h, states = h0, []
    for t in range(5):
        h = network.step(h, inputs[:, t])
        states.append(h)
    fast = jax.jit(rollout, static_argnums=0)(network.cell, network.params, h0, inputs)
    np.testing.assert_allclose(fast, np.stack(states, axis=1), atol=1e-5)
    by_autodiff = jax.jacobian(lambda h: network.step(h, inputs[0, 0]))(h0[0])
    got = recurrent_jacobian(network.cell, network.params, h0[0], inputs[0, 0])
    np.testing.assert_allclose(got, by_autodiff, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_imported_network_is_read_back_from_its_file(kind, tmp_path):
    network = import_network(kind, given(kind))
    (tmp_path / "net.npz").write_bytes(network_bytes(network))
    back = read_network(tmp_path / "net.npz")
    assert back.cell is network.cell
    jax.tree.map(np.testing.assert_array_equal, back.params, network.params)


def without_check(arrays):
    return {k: a for k, a in arrays.items() if not k.startswith("check.")}


def test_a_transposed_matrix_is_told_by_steps_alone():
    arrays = stored("torch.GRU")
    n = arrays["weight_hh_l0"].shape[1]
    arrays["weight_hh_l0"] = np.concatenate([arrays["weight_hh_l0"][k * n : (k + 1) * n].T for k in range(3)])
    with pytest.raises(UsageError, match="is a matrix transposed, or the layer of another kind"):
        import_network("torch.GRU", arrays)
    import_network("torch.GRU", without_check(arrays))  # it fits: that is why there are steps


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("torch.gru", {}, "unknown layer 'torch.gru'; did you mean 'torch.GRU'?"),
        ("torch.GRU", {"weight_hh_l0": None}, "no array 'weight_hh_l0'"),
        ("torch.GRU", {"bias_hh_l0": None}, "no array 'bias_hh_l0'"),
        ("torch.GRU", {"weight_ih_l1": np.zeros((12, 4))}, "nothing is known of the array 'weight_ih_l1'"),
        (
            "torch.LSTM",
            {"weight_hh_l0": np.zeros((12, 4))},
            "weight_hh_l0 has shape (12, 4), torch.LSTM has (16, 4) for N=4",
        ),
        ("torch.RNN", {"weight_ih_l0": np.array([["x"]])}, "expected real numbers"),
        ("torch.RNN", {"readout.bias": np.full(2, np.nan)}, "readout.bias holds numbers that are not finite"),
        ("torch.GRU", {"weight_hh_l0": np.full((12, 4), np.nan)}, "weight_hh_l0 holds numbers that are not"),
        ("torch.RNN", {"check.next_h": np.full((1000, 4), 1e40)}, "check.next_h holds numbers that are not"),
        ("keras.GRU", {"bias": np.zeros(12)}, "reset_after=False: keras.GRU_before"),
        ("torch.RNN", {"check.h": np.zeros((9, 4))}, "check.h has shape (9, 4), torch.RNN has (1000, 4) for"),
        ("torch.GRU", {"weight_hh_l0": np.zeros(24)}, "weight_hh_l0 has shape (24,), torch.GRU has (3 N, N)"),
        (
            "torch.RNN",
            {"weight_ih_l0": np.zeros(8)},
            "weight_ih_l0 has shape (8,), torch.RNN has (4, U) for N=4",
        ),
        ("torch.RNN", {"readout.bais": np.zeros(2)}, "the array 'readout.bais'"),
        (
            "keras.GRU_before",
            {"bias": np.zeros((2, 12))},
            "two rows are those of reset_after=True: keras.GRU",
        ),
    ],
)
def test_what_does_not_fit_is_said(kind, change, words):
    arrays = stored(kind if kind in KINDS else "torch.GRU") | change
    with pytest.raises(UsageError) as error:
        import_network(kind, {k: a for k, a in arrays.items() if a is not None})
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("kind", "arrays", "got"),
    [
        ("torch.GRU", "weights.npz", "a str and a str"),
        ({"weight_hh_l0": np.zeros((12, 4))}, "torch.GRU", "a dict and a str"),
        ("torch.GRU", [np.zeros(3)], "a str and a list"),
    ],
)
def test_what_is_no_layer_with_its_arrays_is_said(kind, arrays, got):
    with pytest.raises(
        UsageError, match=f"import_network got {got}, expected a layer and its arrays by name"
    ):
        import_network(kind, arrays)


def test_the_arrays_may_be_a_file_that_numpy_has_opened():
    with np.load(FOLDER / "torch.GRU.npz", allow_pickle=False) as file:
        assert import_network("torch.GRU", file).n_state == N


TURNED = {
    (
        "torch.GRU",
        "weight_hh_l0",
    ): "weight_hh_l0 has shape (4, 12), torch.GRU has (12, 4) for N=4: transposed?",
    (
        "torch.GRU",
        "weight_ih_l0",
    ): "weight_ih_l0 has shape (3, 12), torch.GRU has (12, 3) for N=4, U=3: transposed?",
    (
        "torch.RNN",
        "readout.weight",
    ): "readout.weight has shape (4, 2), torch.RNN has (2, 4) for N=4, U=3, O=2: transposed?",
    ("keras.GRU", "bias"): "bias has shape (12, 2), keras.GRU has (2, 12) for N=4, U=3: transposed?",
    ("keras.LSTM", "kernel"): "kernel has shape (16, 3), keras.LSTM has (3, 16) for N=4, U=3: transposed?",
    (
        "flax.LSTMCell",
        "ig.kernel",
    ): "ig.kernel has shape (4, 3), flax.LSTMCell has (3, 4) for N=4, U=3: transposed?",
    (
        "flax.GRUCell",
        "readout.kernel",
    ): "readout.kernel has shape (2, 4), flax.GRUCell has (4, 2) for N=4, U=3, O=2: ",
}


@pytest.mark.parametrize(("kind", "name"), TURNED)
def test_a_transposed_array_is_named_in_the_shape_that_it_was_given_in(kind, name):
    arrays = given(kind)
    with pytest.raises(UsageError) as error:
        import_network(kind, arrays | {name: arrays[name].T})
    assert str(error.value).startswith(TURNED[kind, name])


def test_an_array_of_another_length_is_the_one_that_is_named():
    arrays = stored("torch.GRU")
    with pytest.raises(
        UsageError, match=r"readout.bias has shape \(5,\), torch.GRU has \(2,\) for N=4, U=3, O=2$"
    ):
        import_network("torch.GRU", arrays | {"readout.bias": np.zeros(5)})
    with pytest.raises(UsageError, match=r"bias_hh_l0 has shape \(8,\), torch.GRU has \(12,\)"):
        import_network("torch.GRU", arrays | {"bias_hh_l0": np.zeros(8)})
    none = {name: array[:0] if name.startswith("check.") else array for name, array in arrays.items()}
    assert import_network("torch.GRU", none).n_state == 4


@pytest.mark.parametrize("shape", [(N,), (1, N), (1, 1, N)])
def test_the_initial_state_may_be_of_the_library_s_own_shape(shape):
    h0, c0 = np.arange(N, dtype=np.float32), np.full(N, 0.5, np.float32)
    arrays = stored("torch.LSTM") | {"h0": h0.reshape(shape), "c0": c0.reshape(shape)}
    np.testing.assert_array_equal(import_network("torch.LSTM", arrays).h0, [*c0, *h0])


@pytest.mark.parametrize(
    ("h0", "words"),
    [
        (np.zeros(16), "torch.GRU: h0 has 16 numbers, the recurrent matrix is of 4 units"),
        (np.zeros((1, 1, 3)), "torch.GRU: h0 has 3 numbers, the recurrent matrix is of 4 units"),
        (np.zeros((2, 1, 4)), "h0 has shape (2, 1, 4), torch.GRU has (4,) for N=4, U=3, O=2"),
        (np.zeros(()), "h0 has shape (), torch.GRU has (4,) for N=4, U=3, O=2"),
    ],
)
def test_an_initial_state_of_another_size_is_named_itself(h0, words):
    with pytest.raises(UsageError) as error:
        import_network("torch.GRU", without_check(stored("torch.GRU")) | {"h0": h0})
    assert str(error.value) == words


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_that_is_a_layer_s_arrays_is_told_with_the_command_that_imports_it(kind, tmp_path):
    path = tmp_path / "my weights.npz"
    np.savez(path, **without_check(given(kind)))
    with pytest.raises(UsageError) as error:
        Checkpoint(str(path)).build(NBitMemory(n_bits=2), None)
    words, first = str(error.value), next(iter(given(kind)))
    assert words.startswith(f"{path} holds {first}, ")
    likely = "torch.RNN" if kind == "torch.RNN_relu" else kind  # whose arrays are the same
    assert f" …: `jslds-bench import '{path}' --layer {likely}`" in words
    assert ("(or torch.RNN_relu)" in words) == kind.startswith("torch.RNN")


def test_the_verb_writes_a_checkpoint_that_runs(tmp_path):
    def verb(*words):
        command = [sys.executable, "-m", "jslds_bench", "import", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    done = verb(FOLDER / "keras.LSTM.npz", "--layer", "keras.LSTM", "--out", "mine.npz")
    assert done.returncode == 0, done.stderr
    assert "cell lstm, 8 units, 3 inputs, 2 outputs" in done.stdout
    assert "those of the 1000 steps" in done.stdout
    assert read_network(tmp_path / "mine.npz").cell.name == "lstm"
    np.savez(tmp_path / "bare.npz", **without_check(stored("torch.GRU")))
    assert "not checked" in verb("bare.npz", "--layer", "torch.GRU").stdout
    (tmp_path / "torn.npz").write_bytes((FOLDER / "torch.GRU.npz").read_bytes()[:9000])
    for words, said in (
        (("none.npz", "--layer", "torch.GRU"), "no file at none.npz"),
        (("torn.npz", "--layer", "torch.GRU"), "no npz file of plain arrays, or is damaged"),
        (("bare.npz", "--layer", "torch.LSTM"), "weight_hh_l0 has shape"),
    ):
        done = verb(*words)
        assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
        assert said in done.stderr


def test_the_verb_writes_over_a_checkpoint_and_over_nothing_else(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("weights.npz", **without_check(stored("torch.GRU")))
    Path("link.npz").symlink_to("weights.npz")
    Path("notes.npz").write_text("mine")
    Path("network.npz").write_bytes(Path("weights.npz").read_bytes())
    Path("folder").mkdir()
    held = {path: path.read_bytes() for path in Path().glob("*.npz")}
    for out, said in (
        (["--out", "weights.npz"], "--out weights.npz is the file of the weights"),
        (["--out", "link.npz"], "--out link.npz is the file of the weights"),
        (["--out", "notes.npz"], "--out notes.npz is there and is no checkpoint"),
        (["--out", "folder"], "--out folder is there and is no checkpoint"),
        ([], "--out network.npz is there and is no checkpoint"),
    ):
        assert main(["import", "weights.npz", "--layer", "torch.GRU", *out]) == 3
        assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for path in held} == held
    Path("network.npz").unlink()
    for kind in ("torch.GRU", "torch.LSTM"):
        assert main(["import", str(FOLDER / f"{kind}.npz"), "--layer", kind]) == 0
    assert read_network(Path("network.npz")).cell.name == "lstm"
    assert main(["import", "network.npz", "--layer", "torch.GRU"]) == 3  # a checkpoint is not weights either
    assert read_network(Path("network.npz")).cell.name == "lstm"
