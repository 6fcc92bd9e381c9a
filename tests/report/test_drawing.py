"""Figures drawn by several processes are those of one, whatever becomes of the processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from jslds_bench.errors import UsageError
from jslds_bench.processes.child import Child
from jslds_bench.records.store import write_record
from jslds_bench.report import drawing, write_report


@pytest.fixture
def run(write_run, make, example) -> Path:
    run = write_run([])
    write_record(run, make("nbit_memory", "cotrained", "jslds"), example("nbit_memory", 0.1, 0))
    return run


def files(run: Path) -> dict[str, bytes]:
    found = {p.name: p.read_bytes() for p in (run / "figures").iterdir()}
    return {**found, "page": (run / "index.html").read_bytes()}


def test_several_processes_draw_what_one_does(run):
    write_report(run, processes=1)
    alone = files(run)
    assert len(alone) > 5
    seen: list[tuple[int, int]] = []
    write_report(run, lambda done, total, name: seen.append((done, total)), processes=3)
    assert files(run) == alone
    drawn = [done for done, _ in seen[:-1]]
    assert drawn == list(range(drawn[-1] + 1))  # all by the others, each told


def test_what_a_lost_process_has_not_drawn_is_drawn_all_the_same(run, monkeypatch):
    write_report(run, processes=1)
    alone = files(run)
    read = Child.read

    def dies(self: Child) -> object:
        events = read(self)
        self._process.kill()
        return events and events[:1]

    monkeypatch.setattr(Child, "read", dies)
    write_report(run, processes=2)
    assert files(run) == alone


def test_other_records_in_between_mix_nothing_up(run, monkeypatch):
    write_report(run, processes=1)
    alone = files(run)
    read = Child.read

    def renamed(self: Child) -> object:
        events = read(self)
        return events and [{**event, "name": "another", "html": "another"} for event in events]

    monkeypatch.setattr(Child, "read", renamed)
    write_report(run, processes=2)
    assert files(run) == alone


def test_a_folder_that_takes_no_figures_is_one_line(run):
    (run / "figures").write_text("in the way")
    with pytest.raises(UsageError, match="cannot write"):
        write_report(run, processes=2)


def test_few_figures_need_no_processes(run, monkeypatch):
    def none(*_: object) -> None:
        raise AssertionError("a process was begun")

    monkeypatch.setattr(drawing, "Child", none)
    monkeypatch.setattr(drawing, "MANY", 1000)
    write_report(run)
    monkeypatch.setattr(drawing, "MANY", 2)
    monkeypatch.setattr(drawing, "usable_cores", lambda: [0])
    write_report(run)
