"""Cells with parameters in their names."""

import numpy as np
import pytest

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.format import can_be_read, network_bytes, read_network


def test_a_name_stands_for_one_cell():
    cell = get_cell("leaky")
    assert cell is get_cell("leaky(alpha=0.2)") is get_cell("leaky( f=tanh, alpha=0.20 )")
    assert cell is get_cell(cell.name)
    assert cell.name == "leaky(alpha=0.2, f=tanh)"
    assert get_cell("leaky(alpha=0.1)") is not cell


def test_without_a_leak_it_is_vanilla(make_network):
    network = make_network("vanilla", 5, 2)
    h, u = np.random.default_rng(0).normal(size=(3, 5)), np.ones((3, 2))
    np.testing.assert_array_equal(
        get_cell("leaky(alpha=1.0)").step(network.params, h, u),
        network.cell.step(network.params, h, u),
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("leeky", "unknown cell 'leeky'; did you mean 'leaky'?"),
        ("leaky(alpha=x)", "parameter 'alpha' of cell 'leaky' is 'x' (str), expected float"),
        ("leaky(alpha=0)", "leaky needs 0 < alpha ≤ 1, got 0"),
        ("leaky(alpha=nan)", "is nan, expected a finite number"),
        ("leaky(f=exp)", "is 'exp' (expected one of 'tanh', 'relu', 'softplus')"),
        ("leaky(tau=3)", "cell 'leaky' has no parameter 'tau' (it has: alpha, f)"),
        ("leaky(alpha=0.1", "unknown cell 'leaky(alpha=0.1': expected a name, or NAME(KEY=VALUE, …)"),
    ],
)
def test_what_is_wrong_is_said(name, words):
    with pytest.raises(UsageError) as error:
        get_cell(name)
    assert words in str(error.value)


def test_a_checkpoint_keeps_the_parameters(make_network, tmp_path):
    network = make_network("leaky(alpha=0.35, f=relu)", 4, 2)
    assert can_be_read(network)
    (tmp_path / "net.npz").write_bytes(network_bytes(network))
    assert read_network(tmp_path / "net.npz").cell is network.cell
