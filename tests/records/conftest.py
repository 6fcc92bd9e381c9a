"""Fixtures of records on disk."""

from pathlib import Path

import pytest
from example import a_record

from jslds_bench.records.sealed import write_json
from jslds_bench.records.store import record_path, write_record


@pytest.fixture
def stored(tmp_path) -> Path:
    write_json(tmp_path / "run.json", {"suite": "tiny"})
    write_record(tmp_path, a_record(), {})
    return record_path(tmp_path, a_record().key)
