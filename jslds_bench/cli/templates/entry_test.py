"""my_entry keeps its contract: run with pytest. Add what is particular to it."""

from pathlib import Path

from jslds_bench import contract
from jslds_bench.entries import plugins

plugins.load(Path(__file__).with_name("my_entry.py"))


def test_my_entry_keeps_the_contract() -> None:
    outcome = contract.check("KIND", "my_entry")
    assert [str(finding) for finding in outcome.findings] == []
