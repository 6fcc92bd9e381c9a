"""A suite that the tests spoil, and the complaint that it earns."""

import pytest

from jslds_bench.errors import UsageError
from jslds_bench.suite import Key, Suite, grid

BASE = """\
schema = 1
name = "tiny"
seeds = [3, 1]

[[tasks]]
name = "nbit_memory"
n_bits = 2

[[tasks]]
name = "context_integration"

[[networks]]
name = "standard"

[[networks]]
name = "cotrained"
label = "mine"
tasks = ["nbit_memory"]

[[models]]
name = "persistence"

[[models]]
name = "jslds"
networks = ["mine"]
"""


def message(check, *args, **kwargs) -> str:
    with pytest.raises(UsageError) as caught:
        check(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text
    return text


def keys(suite: Suite) -> list[Key]:
    """The keys of a suite's jobs, in running order."""
    return [(task.label, network.label, model.label, seed) for task, network, model, seed in grid(suite)]
