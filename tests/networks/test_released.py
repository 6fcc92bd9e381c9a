"""The authors' released files: what is in them arrives in its place, and nothing else ever runs."""

import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from released_files import M, N, U, content, npy, pack

from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.released import read_released
from jslds_bench.networks.checkpoint import Checkpoint
from jslds_bench.tasks.nbit_memory import NBitMemory


def saved(path, what):
    np.savez(path, np.array(what, dtype=object))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "released.npz"


def refused(path) -> str:
    for read in (read_released, lambda p: Checkpoint(str(p)).build(NBitMemory(n_bits=1), None)):
        with pytest.raises(UsageError) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)
    return str(caught.value)


def test_every_array_arrives_in_its_place(path):
    """One step of the read network is the authors' step: σ(W [h; u] + b), candidate from r∘h (Cho et al.)."""
    their = content()
    network = Checkpoint(str(saved(path, their))).build(NBitMemory(n_bits=1), None)
    h, u = np.random.default_rng(1).normal(size=(2, N)).astype(np.float32)
    u = u[:U]
    rnn = their["rnn"]
    r, s = np.split(1 / (1 + np.exp(-(rnn["wRUHX"] @ np.concatenate([h, u]) + rnn["bRU"]))), 2)
    c = np.tanh(rnn["wCHX"] @ np.concatenate([r * h, u]) + rnn["bC"])
    np.testing.assert_allclose(network.step(h, u), s * h + (1 - s) * c, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.readout(h), their["out"]["W"] @ h + their["out"]["b"], rtol=1e-5)
    for layer, theirs in zip(network.expansion, their["mlp"], strict=True):
        np.testing.assert_array_equal(layer.w, theirs["W"].T)
        np.testing.assert_array_equal(layer.b, theirs["b"])
    np.testing.assert_array_equal(network.h0, rnn["h0"])
    assert network.kind == "checkpoint"


def tanh_content() -> dict:
    """As `content`, of the authors' tanh network."""
    rng = np.random.default_rng(2)
    shapes = {"wR": (N, N), "wI": (N, U), "bR": (N,), "h0": (N,)}
    return {**content(), "rnn": {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}}


def test_the_tanh_network_arrives_with_rows_as_inputs(path):
    """One step is h' = tanh(wR h + wI u + bR); functions and classes that are merely named do no harm."""
    their = {**tanh_content(), "loss": os.system, "more": [{"optimiser": pickle.Unpickler}]}
    network = Checkpoint(str(saved(path, their))).build(NBitMemory(n_bits=1), None)
    h, u = np.random.default_rng(1).normal(size=(2, N)).astype(np.float32)
    u, rnn = u[:U], their["rnn"]
    assert network.cell.name == "vanilla"
    np.testing.assert_allclose(
        network.step(h, u), np.tanh(rnn["wR"] @ h + rnn["wI"] @ u + rnn["bR"]), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(network.h0, rnn["h0"])
    np.testing.assert_array_equal(network.expansion[1].w, their["mlp"][1]["W"].T)
    np.testing.assert_array_equal(network.readout.w, their["out"]["W"].T)


@pytest.mark.parametrize("place", ["rnn", "h0", "mlp", "layer", "W", "all"])
def test_a_name_in_the_place_of_a_value_is_refused(place, path):
    what = tanh_content()
    if place == "h0":
        what["rnn"]["h0"] = os.system
    elif place == "layer":
        what["mlp"][0] = os.system
    elif place == "W":
        what["mlp"][0]["W"] = os.system
    else:
        what = os.system if place == "all" else {**what, place: os.system}
    assert f"is {os.system.__module__}.system, which is not loaded" in refused(saved(path, what))


def test_an_unknown_network_says_what_it_holds(path):
    lstm = {"wF": np.ones((N, N)), "h0": np.ones(N)}
    assert "its rnn holds wF, h0; expected h0 with wRUHX, bRU, wCHX and bC (a GRU), or with wR" in refused(
        saved(path, {**content(), "rnn": lstm})
    )


@pytest.mark.parametrize("name", ["jslds_public_nbit_cotrained", "jslds_public_nbit_standard"])
def test_the_real_files_are_read_bit_for_bit(name, data_folder):
    file = data_folder / f"{name}.npz"
    network, their = read_released(file), np.load(file, allow_pickle=True)["arr_0"].item()
    rnn, n = their["rnn"], 100
    expected = {
        "rs": (network.params[0], (rnn["wRUHX"][:, :n].T, rnn["wRUHX"][:, n:].T, rnn["bRU"])),
        "c": (network.params[1], (rnn["wCHX"][:, :n].T, rnn["wCHX"][:, n:].T, rnn["bC"])),
        "out": (network.readout, (their["out"]["W"].T, their["out"]["b"])),
        "h0": ((network.h0,), (rnn["h0"],)),
    }
    for i, layer in enumerate(their["mlp"]):
        expansion = network.expansion[i]
        assert expansion.v is None  # the authors' E does not see the input
        expected[f"mlp {i}"] = ((expansion.w, expansion.b), (layer["W"].T, layer["b"]))
    for part, (got, theirs) in expected.items():
        for x, y in zip(got, theirs, strict=True):
            assert y.dtype == np.float32, part
            assert np.asarray(x).tobytes() == y.tobytes(), part


class Calls:
    """Pickles as a call of `function` on `arguments`."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def marker(tmp_path) -> str:
    return f"touch {tmp_path / 'ran'}"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
def test_a_hostile_file_is_refused_by_name_and_nothing_runs(protocol, nested, path, tmp_path):
    bomb = Calls(os.system, marker(tmp_path))
    what = {"rnn": {"h0": [bomb]}, "mlp": []} if nested else bomb
    pack(path, npy(pickle.dumps(what, protocol)))
    assert f"refuses to load {os.system.__module__}.system: only NumPy arrays" in refused(path)
    assert not (tmp_path / "ran").exists()


def global_of(module: str, name: str) -> bytes:
    """A pickle that only looks a name up and then calls it with no arguments."""
    return f"c{module}\n{name}\n(tR.".encode()


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval",
        "builtins.getattr",
        "numpy.load",
        "numpy.fromfile",
        "numpy.memmap",
        "numpy.save",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.fromfile",
        "numpy.core._internal._reconstruct",
        "numpy._core.multiarray.ndarray",
        "numpy.ndarray.tofile",
        "_codecs.encode",
        "jslds_bench.entries.plugins.load",
    ],
)
def test_every_other_name_is_refused(name, path):
    module, _, attribute = name.rpartition(".")
    pack(path, npy(global_of(module, attribute)))
    assert f"refuses to load {name}: only NumPy arrays in dicts and lists" in refused(path)


def test_dotted_names_do_not_reach_through_an_admitted_one(path):
    pack(path, npy(b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93)R."))
    assert "refuses to load numpy.ndarray.tofile" in refused(path)


def test_an_object_array_inside_hides_nothing(path, tmp_path):
    bomb = np.array([Calls(os.system, marker(tmp_path))], dtype=object)
    saved(path, {**content(), "mlp": bomb})
    assert "refuses to load" in refused(path)
    assert not (tmp_path / "ran").exists()


def bare(dtype: bytes, state: bytes, shape: bytes, data: bytes) -> bytes:
    """The pickle of one array, protocol 3, whose dtype has the code and state of that pickle."""
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    kind = b"cnumpy\ndtype\n(" + dtype + b"I00\nI01\ntR" + state + b"b"
    return array + b"(K\x01" + shape + kind + b"I00\n" + data + b"tb"


def coded(what) -> bytes:
    """The opcodes that put `what` on the stack."""
    return pickle.dumps(what, 3)[2:-1]


ADDRESS = b"AAAAAAAA"  # where a pointer to an object would be, if these were objects


@pytest.mark.parametrize(
    ("code", "state", "said"),
    [
        # without the flags that say "these are references", raw bytes are taken for them
        ("O8", (3, "|", None, None, None, -1, -1, 0), "has a state of its own"),
        ("O8", (3, "|", None, None, None, -1, -1, 63), "holds objects, expected numbers"),
        ("f8", (3, "<", None, None, None, -1, -1, 63), "has a state of its own"),
        ("f8", (3, "<", None, None, None, 1 << 20, 1, 0), "has a state of its own"),
        ("V8", (3, "|", None, ("a",), {"a": (1, 0)}, 8, 1, 27), "has type 'V8'"),
        ("f8", (3, "O", None, None, None, -1, -1, 0), "has byte order 'O'"),
        ("f8", (4, "<", None, None, None, -1, -1, 0, {}), "has a state of its own"),
        ("f8", None, "has a state of its own"),
    ],
)
@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
def test_no_state_makes_bytes_into_objects(code, state, said, nested, path):
    """Such a file could name an address to be read as an object."""
    array = bare(coded(code), coded(state), b")", coded(ADDRESS))
    whole = (
        b"\x80\x03}(" + coded("rnn") + b"}" + coded("h0") + array + b"su."
        if nested
        else b"\x80\x03" + array + b"."
    )
    assert said in refused(pack(path, npy(whole)))


@pytest.mark.parametrize(
    ("shape", "data", "said"),
    [
        ((2,), ADDRESS, "[2] of float64, has not as many bytes"),
        ((0,), ADDRESS, "[0] of float64, has not as many bytes"),
        ((-1,), ADDRESS, "no proper shape"),
        ((1,) * 9, ADDRESS, "no proper shape"),
        ((2**40, 2**40), ADDRESS, "no proper shape"),
        ((True,), ADDRESS, "no proper shape"),
        ([1], ADDRESS, "no proper shape"),
        ((1,), [1.0], "has not as many bytes"),
        ((1,), "AAAAAAAA", "has not as many bytes"),
    ],
    ids=str,
)
def test_an_array_has_the_bytes_of_its_shape(shape, data, said, path):
    state = coded((3, "<", None, None, None, -1, -1, 0))
    array = bare(coded("f8"), state, coded(shape), coded(data))
    assert said in refused(pack(path, npy(b"\x80\x03" + array + b".")))


@pytest.mark.parametrize(
    "use",
    [b"(tR", b")\x81", b")}\x92", b"}b", b"N}\x86b", b"}(K\x01K\x02ub"],
    ids=["REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "BUILD slots", "BUILD filled"],
)
def test_no_use_of_a_name_gets_through(use, path):
    pickled = b"\x80\x04\x8c\x0bcollections\x8c\x0bOrderedDict\x93" + use + b"."
    assert "refuses to load collections.OrderedDict" in refused(pack(path, npy(pickled)))


def test_an_object_by_the_old_opcodes_is_refused_by_name(path):
    for pickled in (b"(icollections\nOrderedDict\n.", b"(ccollections\nOrderedDict\no."):
        assert "refuses to load collections.OrderedDict" in refused(pack(path, npy(pickled)))


def test_names_and_remembered_objects_are_bounded(path):
    names = b"".join(b"ca\n%d\n0" % i for i in range(200))
    assert "names more than 100 functions and classes" in refused(pack(path, npy(names + b"N.")))
    # a place in the unpickler's memory: it would take 32 GiB up to this one
    assert "remembers a 2147483647th object" in refused(pack(path, npy(b"Nr\xff\xff\xff\x7f.")))


def changed(**parts) -> dict:
    return {**content(), **parts}


@pytest.mark.parametrize(
    "what",
    [
        [1, 2],
        None,
        {},
        changed(rnn=3),
        changed(mlp=None),
        changed(out={"W": np.ones((M, N))}),
        changed(rnn={**content()["rnn"], "h0": np.float32(1).reshape(())}),
        changed(rnn={**content()["rnn"], "h0": "abcd"}),
        changed(rnn={**content()["rnn"], "wCHX": np.ones((N, N + U + 1))}),
        changed(rnn={**content()["rnn"], "bC": np.full(N, np.inf)}),
        changed(rnn={**content()["rnn"], "bC": np.array(["a"] * N)}),
        changed(rnn={**content()["rnn"], "wRUHX": np.ones(3)}),
        changed(mlp=[{"W": np.ones((N, N + 1)), "b": np.ones(N)}]),
        changed(out={"W": np.array([None] * N), "b": np.ones(M)}),
    ],
    ids=lambda w: str(w)[:30].replace("\n", ""),
)
def test_other_contents_are_refused(what, path):
    refused(saved(path, what))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b".",
        b"garbage",
        b"(" * 100_000,
        b"\x80\x09.",
        b"cnumpy\nndarray\n((J\xff\xff\xff\x7fJ\xff\xff\xff\x7ftS'O'tR.",  # an array of 2⁶² objects
        b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93\x8c\x03xyz\x85R.",
        b"cnumpy\nndarray\n.",
        b"Pid\n.",
        pickle.dumps({"rnn": {}}),
    ],
    ids=lambda p: repr(p[:12]),
)
def test_odd_pickles_are_refused(payload, path):
    refused(pack(path, npy(payload)))


def test_deep_nesting_is_refused(path):
    refused(pack(path, npy(b"]" * 50_000 + b"a" * 49_999 + b".")))


@pytest.mark.parametrize(
    "member",
    [b"", b"\x93NUMPY", b"\x93NUMPY\x02\x00", b"\x93NUMPY\x01\x00\x10\x00{'descr': '|O'}\n"],
    ids=repr,
)
def test_odd_members_are_refused(member, path):
    refused(pack(path, member))


def test_a_numeric_array_is_not_a_released_file(path):
    np.savez(path, np.zeros(3))
    assert "shape (3,) and type float64, expected one pickled dict" in refused(path)


def test_a_member_that_unpacks_to_too_much_is_refused_unread(path, tmp_path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("arr_0.npy", bytes(64 * 2**20 + 1))
    assert path.stat().st_size < 10**6
    assert "more than the 67,108,864 bytes that are admitted" in refused(path)


def test_every_truncation_is_refused(path):
    whole = saved(path, content()).read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        refused(path)


def test_a_missing_file_is_named(path):
    assert "no checkpoint at" in refused(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_pickle_is_refused_or_read(data, tmp_path_factory):
    """Bytes changed inside the pickle, the zip's checksum made right again."""
    folder = tmp_path_factory.mktemp("damaged")
    pickled = bytearray(pickle.dumps(content(), protocol=data.draw(st.sampled_from([2, 4]))))
    for _ in range(data.draw(st.integers(1, 4))):
        pickled[data.draw(st.integers(0, len(pickled) - 1))] = data.draw(st.integers(0, 255))
    path = pack(folder / "x.npz", npy(bytes(pickled)))
    try:
        network = read_released(path)
    except UsageError as error:
        message = str(error)
    else:
        assert network.h0.shape == (N,)
        return
    assert "\n" not in message
    assert str(path) in message
