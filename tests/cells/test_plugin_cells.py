"""Cells of plug-ins: found by name, kept in checkpoints, and what is said where they are not there."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from jslds_bench.contract.settings.networks.cases import random_network
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.entries import plugins
from jslds_bench.errors import UsageError
from jslds_bench.files import read_npz
from jslds_bench.networks._shared.format import can_be_read, network_bytes, read_network
from jslds_bench.suite import Entry, Suite, registries, resolve
from jslds_bench.types import CELLS

PLUGIN = '''
import dataclasses
from jslds_bench.types import CELLS, TANH, Cell

KEPT = 1.0

@CELLS.register("kept")
@dataclasses.dataclass(frozen=True)
class Kept:
    """h' = γ h + tanh(h W + u V + b); `gamma` is γ."""

    gamma: float = 0.5

    def build(self):
        return Cell(
            name="kept",
            widths=(1,),
            lefts=(lambda h, zs: h,),
            output=lambda h, zs: KEPT * self.gamma * h + zs[0],
            activations=(TANH,),
        )
'''


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a plug-in file; what it registers is forgotten."""
    monkeypatch.setattr(registries()["cells"], "_entries", dict(CELLS._entries))

    def load(text=PLUGIN, name="kept.py") -> Path:
        (tmp_path / name).write_text(text)
        plugins.load(tmp_path / name)
        return tmp_path / name

    return load


def forget(file):
    CELLS.forget(plugins.load(file).__name__)


def test_its_name_stands_for_one_cell(load):
    load()
    cell = get_cell("kept(gamma=0.3)")
    assert cell is get_cell("kept( gamma = 0.30 )")
    assert cell.name == "kept(gamma=0.3)"
    assert get_cell("kept").name == "kept(gamma=0.5)"


def test_its_networks_are_read_back_while_it_is_there_and_the_same(load, tmp_path):
    file, path = load(), tmp_path / "net.npz"
    network = random_network("kept(gamma=0.3)", 4, 2)
    assert can_be_read(network)
    path.write_bytes(network_bytes(network))
    assert read_network(path).cell is network.cell
    jax.tree.map(np.testing.assert_array_equal, read_network(path).params, network.params)
    forget(file)
    with pytest.raises(UsageError) as error:
        read_network(path)
    assert str(error.value).startswith(f"checkpoint {path}: unknown cell 'kept'")
    assert str(error.value).endswith(
        "the cell of a plug-in needs its file: --plugin FILE, or `plugins` in the suite"
    )
    load(PLUGIN.replace("KEPT = 1.0", "KEPT = 1.1"), "another.py")
    with pytest.raises(
        UsageError, match=r"'kept\(gamma=0.3\)' takes other steps than when the file was made"
    ):
        read_network(path)


def test_files_of_built_in_cells_are_as_before(make_network, tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(network_bytes(make_network("leaky(alpha=0.35, f=relu)", 4, 2)))
    arrays = read_npz(path)
    assert not [name for name in arrays if name.startswith("check.")]
    assert json.loads(str(arrays["about"]))["cell"] == "leaky(alpha=0.35, f=relu)"


def test_a_cell_that_is_not_registered_is_in_no_file(load):
    load()
    other = dataclasses.replace(get_cell("kept"), output=lambda h, zs: zs[0])
    assert not can_be_read(random_network(other, 4, 2))


def suite_of(file, *networks) -> Suite:
    return Suite(
        "cells",
        (0,),
        tasks=(Entry("nbit_memory", "nbit_memory"),),
        networks=networks,
        models=(Entry("persistence", "persistence"),),
        plugins=(str(file),),
        recipe="paper",
    )


def test_a_checkpoint_rests_on_the_code_of_the_cell_in_it(load, tmp_path):
    file, path = load(), tmp_path / "net.npz"
    path.write_bytes(network_bytes(random_network("kept", 4, 6, 3)))
    suite = suite_of(
        file, Entry("checkpoint", "theirs", {"path": str(path)}), Entry("standard", "ours", {"cell": "gru"})
    )
    before = resolve(suite).jobs
    file.write_text(PLUGIN + "# more\n")
    changed = {
        (old.network.label, old.digest != new.digest, old.network_digest != new.network_digest)
        for old, new in zip(before, resolve(suite).jobs, strict=True)
    }
    assert changed == {("theirs", True, True), ("ours", False, False)}


def test_where_its_plug_in_does_not_import_its_networks_fail_and_no_others(load, tmp_path):
    (tmp_path / "kept.py").write_text(PLUGIN + "raise OSError('gone')\n")
    theirs, ours = (Entry("standard", label, {"cell": label}) for label in ("kept(gamma=0.1)", "gru"))
    jobs = resolve(suite_of(tmp_path / "kept.py", theirs, ours)).jobs
    reason = f"plug-in {tmp_path}/kept.py could not be imported: OSError: gone"
    assert [job.failure for job in jobs] == [f"cell 'kept(gamma=0.1)' is not there: {reason}", None]
    with pytest.raises(UsageError, match="unknown cell 'kept'"):
        resolve(dataclasses.replace(suite_of("", theirs), plugins=()))
