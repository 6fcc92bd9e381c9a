"""The file format of networks of this project: what goes in comes out, or is refused in words."""

import dataclasses
import io
import json
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from alike import arrays_of, assert_same
from hypothesis import given, settings
from hypothesis import strategies as st

from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.format import network_bytes, read_network
from jslds_bench.networks.checkpoint import Checkpoint
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types import Network, NetworkStep


@pytest.fixture(scope="module")
def network(make_network) -> Network:
    history = {"step": np.array([100, 200]), "loss": np.array([1.0, 0.5])}
    return dataclasses.replace(make_network("gru", 3, 2, 1), kind="cotrained", history=history)


@pytest.fixture
def file(network, tmp_path):
    path = tmp_path / "network.npz"
    path.write_bytes(network_bytes(network))
    return path


def test_a_network_comes_back_bit_for_bit(network, file):
    back = read_network(file)
    assert_same(arrays_of(network), arrays_of(back))
    assert (back.cell, back.kind) == (network.cell, network.kind)
    assert_same(network.history, back.history)
    assert network_bytes(back) == network_bytes(network)
    first, *later = network.expansion
    seeing = dataclasses.replace(network, expansion=(first._replace(v=jnp.ones((2, 3))), *later))
    file.write_bytes(network_bytes(seeing))
    assert_same(arrays_of(seeing), arrays_of(read_network(file)))
    refined = dataclasses.replace(network, expansion=(*network.expansion, NetworkStep()))
    file.write_bytes(network_bytes(refined))
    assert_same(arrays_of(refined), arrays_of(read_network(file)))
    wide = dataclasses.replace(network, expansion=(first._replace(v=jnp.ones((3, 3))), *later))
    file.write_bytes(network_bytes(wide))
    with pytest.raises(UsageError, match=r"expansion layer 0 v has shape \(3, 3\), expected \(2, 3\)"):
        read_network(file)
    plain = dataclasses.replace(network, expansion=None, history={})
    file.write_bytes(network_bytes(plain))
    assert read_network(file).expansion is None


def test_only_a_network_whose_expansion_is_more_than_layers_is_of_the_later_schema(network):
    """So that a reader of the first refuses it, and does not leave V or the steps of the network out."""
    first, *later = network.expansion
    seeing = dataclasses.replace(network, expansion=(first._replace(v=jnp.ones((2, 3))), *later))
    refined = dataclasses.replace(network, expansion=(*network.expansion, NetworkStep()))
    for written, schema in ((network, 1), (seeing, 2), (refined, 2)):
        with np.load(io.BytesIO(network_bytes(written))) as arrays:
            assert json.loads(str(arrays["about"]))["schema"] == schema


def test_the_source_reads_it_and_hashes_it(network, file):
    source = Checkpoint(str(file))
    task = NBitMemory(n_bits=1)
    assert_same(arrays_of(source.build(task, jax.random.key(0))), arrays_of(network))
    before = source.sources()
    file.write_bytes(network_bytes(dataclasses.replace(network, kind="standard")))
    assert source.sources() != before
    with pytest.raises(
        UsageError, match="has 2 inputs and 1 outputs; task 'nbit_memory' has 6 and 3: name the task"
    ):
        source.build(NBitMemory(), jax.random.key(0))
    missing = Checkpoint(str(file.with_name("none.npz")))
    for use in (missing.sources, lambda: missing.build(task, jax.random.key(0))):
        with pytest.raises(UsageError, match=r"none\.npz"):
            use()


def refused(path) -> str:
    with pytest.raises(UsageError) as caught:
        read_network(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewritten(path, about=None, **arrays):
    """The file with some arrays replaced (None removes one) and parts of its description changed."""
    with np.load(path) as archive:
        content = {name: archive[name] for name in archive.files}
    description = json.loads(str(content.pop("about")))
    if about is not None:
        description = {**description, **about} if isinstance(about, dict) else about
    content |= arrays
    kept = {k: np.asarray(v) for k, v in content.items() if v is not None}
    np.savez(path, about=np.array(json.dumps(description)), **kept)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"schema": 3}, "with schema 3; this version reads 'jslds-bench network' with schema 1 or 2"),
        ({"format": "other"}, "holds 'other'"),
        ([1], "holds None with schema None"),
        ({"cell": "lstn"}, "unknown cell 'lstn'; did you mean 'lstm'?"),
        ({"cell": ["gru"]}, "cell"),
        ({"cell": None}, "cell"),
        ({"n_expansion": 3}, "lacks the array 'expansion2.w'"),
        ({"n_expansion": "two"}, "n_expansion"),
        ({"n_expansion": -1}, "n_expansion"),
        ({"kind": 4}, "kind"),
    ],
)
def test_descriptions_of_other_kinds_are_refused(about, said, file):
    rewritten(file, about)
    assert said in refused(file)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"h0": None}, "lacks the array 'h0'"),
        ({"stage1.v": None}, "lacks the array 'stage1.v'"),
        ({"stage0.w": np.zeros((3, 5))}, "stage 0 w has shape (3, 5), expected (3, 6) for N=3, U=2, O=1"),
        ({"readout.b": np.zeros(2)}, "readout weights has shape (3, 1), expected (3, 2)"),
        ({"h0": np.float32(1)}, "h0 has shape ()"),
        ({"stage0.v": np.float32(1)}, "shape ()"),
        ({"readout.b": np.float32(1)}, "shape ()"),
        ({"expansion0.w": np.full((3, 3), np.nan)}, "expansion layer 0 w holds numbers that are not finite"),
        ({"h0": np.array(["a", "b", "c"])}, "h0"),
        ({"h0": np.zeros(3, complex)}, "h0"),
        ({"about": None}, "not a jslds-bench checkpoint: it holds h0 and no 'about'"),
    ],
    ids=lambda x: str(x)[:40],
)
def test_arrays_that_do_not_fit_are_refused(arrays, said, file):
    if "about" in arrays:
        np.savez(file, h0=np.zeros(3))
    else:
        rewritten(file, **arrays)
    assert said in refused(file)


def test_numbers_are_float32_whatever_the_file_holds(file, network):
    rewritten(file, h0=np.array([1.0, 2.0, 3.0]), **{"readout.b": np.array([1])})
    back = read_network(file)
    assert back.h0.dtype == back.readout.b.dtype == jnp.float32
    with jax.enable_x64(True):
        assert read_network(file).h0.dtype == jnp.float32


def test_every_truncation_is_refused(file):
    whole = file.read_bytes()
    for length in range(0, len(whole), 101):
        file.write_bytes(whole[:length])
        refused(file)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_refused_or_harmless(data, network, tmp_path_factory):
    """Any few bytes changed: one clear line, or the very same numbers."""
    whole = bytearray(network_bytes(network))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "network.npz"
    path.write_bytes(whole)
    try:
        back = read_network(path)
    except UsageError as error:
        message = str(error)
    else:
        return assert_same(arrays_of(network), arrays_of(back))
    assert "\n" not in message
    assert str(path) in message


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\x93NUMPY"], ids=repr)
def test_what_is_no_npz_is_refused(content, tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    assert "not a jslds-bench checkpoint" in refused(path)


def test_what_other_arrays_a_file_holds_is_said_in_a_line(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, **{"a\nb": np.zeros(2), "w": np.zeros(2), "x" * 90: np.zeros(2), "y": np.zeros(2)})
    expected = f"{path} is not a jslds-bench checkpoint: it holds a b, w, {'x' * 40} … and no 'about'"
    assert refused(path) == expected
    with pytest.raises(UsageError) as error:
        Checkpoint(str(path)).build(NBitMemory(n_bits=2), None)
    assert str(error.value) == expected


def test_a_single_array_and_a_pickle_are_refused(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(3))
    refused(path)
    np.savez(tmp_path / "y.npz", about=np.array({"a": 1}, dtype=object))
    refused(tmp_path / "y.npz")
    assert "no checkpoint at" in refused(tmp_path / "none.npz")
    refused(tmp_path)  # a folder


def test_equal_networks_are_equal_bytes_on_any_day(network, monkeypatch):
    import time

    monkeypatch.setattr(time, "localtime", lambda *_: time.struct_time((2031, 5, 6, 7, 8, 9, 0, 1, 0)))
    data = network_bytes(network)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
