"""What a check leaves to the entry and to who asks for it: the file that is read, and other parameters."""

import dataclasses

import pytest

from jslds_bench import cli, contract
from jslds_bench.contract.settings.networks.cases import random_network
from jslds_bench.entries import plugins
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.format import network_bytes
from jslds_bench.suite import registries

PLUGIN = '''
import dataclasses
from pathlib import Path
from typing import Any, ClassVar

from jslds_bench.networks.checkpoint import Checkpoint
from jslds_bench.types import METRICS, NETWORKS


@NETWORKS.register("own_file")
@dataclasses.dataclass(frozen=True)
class OwnFile(Checkpoint):
    """A checkpoint of its own.

    Attributes:
        path: the file.
    """

    path: str = ""

    SMOKE: ClassVar[dict[str, Any]] = {"path": "PATH"}


@METRICS.register("constant")
@dataclasses.dataclass(frozen=True)
class Constant:
    """A number.

    Attributes:
        path: how many; no file.
        value: the number.
    """

    path: int = 0
    value: float = 5.0

    unit = "1"
    better = "none"
    bounds = (0.0, 1.0)
    timing = False

    SMOKE: ClassVar[dict[str, Any]] = {"value": 1.0}

    def compute(self, evaluation) -> float:
        return self.value
'''


@pytest.fixture
def load(tmp_path):
    """The plug-in with a checkpoint of given sizes."""
    loaded = []

    def with_sizes(n_inputs, n_outputs):
        path = tmp_path / "own.npz"
        path.write_bytes(network_bytes(random_network("gru", 6, n_inputs, n_outputs)))
        file = tmp_path / "mine.py"
        file.write_text(PLUGIN.replace("PATH", str(path)))
        loaded.append(plugins.load(file))
        return path

    yield with_sizes
    for kind in ("networks", "metrics"):
        registries()[kind].forget(loaded[0].__name__)


def test_a_network_that_reads_its_own_file_is_built_for_the_task_of_that_file(load):
    load(6, 3)  # n-bit memory as it is by default, while the tiny one has other sizes
    outcome = contract.check("networks", "own_file")
    assert [str(finding) for finding in outcome.findings] == outcome.notes == []
    assert outcome.n_rules == 5


def test_a_file_that_fits_no_known_task_is_no_fault(load):
    path = load(11, 7)
    outcome = contract.check("networks", "own_file")
    assert outcome.findings == []
    assert outcome.n_rules == 1
    assert len(outcome.notes) == 1
    assert outcome.notes[0].startswith(
        f"network: not checked, it reads {path} and refuses every known task ({path} "
    )


def test_a_file_that_is_named_to_the_check_is_the_one_that_is_read(load):
    path = load(6, 3)
    assert contract.check("networks", "checkpoint", parameters={"path": str(path)}).notes == []
    outcome = contract.check("networks", "own_file", parameters={"path": str(path) + ".not"})
    assert f"no checkpoint at {path}.not" in outcome.notes[0]


def test_a_network_that_was_imported_keeps_the_contract(load):
    path = load(6, 3)
    network = dataclasses.replace(random_network("gru_after", 6, 6, 3), kind="imported")
    path.write_bytes(network_bytes(network))
    outcome = contract.check("networks", "checkpoint", parameters={"path": str(path)})
    assert [str(finding) for finding in outcome.findings] == outcome.notes == []


def test_a_spike_task_is_checked_where_its_file_is_named(load, tiny_nwb):
    load(6, 3)
    outcome = contract.check("tasks", "mc_maze", parameters={"path": str(tiny_nwb)})
    assert outcome.notes == []
    assert outcome.n_rules == 4


def test_the_parameters_of_a_check_go_before_those_of_smoke(load):
    load(6, 3)
    one = ("frozen vanilla",)
    assert contract.check("metrics", "constant", cases=one).findings == []
    found = contract.check("metrics", "constant", cases=one, parameters={"value": 3}).findings
    assert (
        str(found[0]) == "fixed_points on frozen vanilla: bounds: its value 3 lies outside its bounds (0, 1)"
    )
    assert contract.check("metrics", "constant", cases=one).findings == []  # they are of that check alone


def test_parameters_that_an_entry_does_not_take_are_refused():
    with pytest.raises(UsageError, match=r"cannot be made with \{'n_stat': 3\}: .*did you mean 'n_state'"):
        contract.check("networks", "standard", parameters={"n_stat": 3})


def test_the_command_takes_parameters(load, capsys):
    path = load(6, 3)
    assert cli.main(["check", "own_file", "--quiet", "--set", f"path={path}.not"]) == 0
    assert f"no checkpoint at {path}.not" in capsys.readouterr().out
    assert cli.main(["check", "nbit_memory", "--quiet", "--set", "n_bits=1", "--set", "n_steps = 9"]) == 0
    assert cli.main(["check", "nbit_memory", "--quiet", "--set", "n_bits=many"]) == 3
    assert "parameter 'n_bits' of task 'nbit_memory' is 'many' (str), expected int" in capsys.readouterr().err
    assert cli.main(["check", "nbit_memory", "--quiet", "--set", "n_bits"]) == 3
    assert "--set 'n_bits': expected key=value, as in --set n_state=8" in capsys.readouterr().err
