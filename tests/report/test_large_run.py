"""The report of many records: how often they are read, how long it takes, how large the page is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jslds_bench.records import sealed, store
from jslds_bench.report import write_leaderboard, write_report
from jslds_bench.report.data.run import load_data

SCRIPT = Path(__file__).with_name("large_run.py")


def test_every_record_is_read_once(write_named, make, monkeypatch):
    run = write_named("run", [make(seed=s, status="failed", reason="no luck") for s in range(5)])
    read: list[Path] = []
    real = sealed.read_json
    monkeypatch.setattr(store, "read_json", lambda path, what: read.append(path) or real(path, what))
    data = load_data(run)
    assert len(data.frame) == len(read) == 5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_records_take_half_a_minute_and_a_page_that_opens(tmp_path):
    folder = tmp_path / "large"
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True)
    assert len(store.record_paths(folder)) == 10080
    start = time.process_time()  # of this process: other work on the machine must not count
    page = write_report(folder, processes=1)
    seconds = time.process_time() - start
    text = page.read_text()
    nodes = len(re.findall(r"<[a-z]", text))
    print(f"report of 10,080 records: {seconds:.1f} s, {len(text) / 1e6:.1f} MB, {nodes} elements")
    assert seconds < 30
    assert len(text) < 8e6
    assert nodes < 40_000

    again = tmp_path / "again"
    shutil.copytree(folder, again, copy_function=os.link)
    start = time.process_time()
    page = write_leaderboard([folder, again], tmp_path / "board")
    print(f"leaderboard of 20,160 records: {time.process_time() - start:.1f} s")
    assert time.process_time() - start < 40
    assert page.stat().st_size < 2e6
    assert page.read_text().count("<tr>") == 1 + 240
