"""Figures drawn by several processes are those of one, whatever becomes of the processes."""

from __future__ import annotations

import errno
import io
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pytest

from jslds_bench.errors import UsageError
from jslds_bench.processes.child import Child
from jslds_bench.records.sealed import _processes
from jslds_bench.records.store import write_record
from jslds_bench.report import drawing, write_report
from jslds_bench.report.data.run import load_data
from jslds_bench.report.page import silent
from jslds_bench.report.plans.every import plans


@pytest.fixture
def run(write_run, make, example, monkeypatch) -> Path:
    """A run of few figures, which are held for many."""
    monkeypatch.setattr(drawing, "MANY", 2)
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
    total = seen[0][1]
    assert seen == [(done, total) for done in (*range(total + 1), total)]  # all by the others, each told


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


def test_what_a_stopped_process_does_not_draw_is_drawn_all_the_same(run, monkeypatch):
    write_report(run, processes=1)
    alone, stopped = files(run), []

    class Stopping(Child):
        def __init__(self, *of: object) -> None:
            super().__init__(*of)
            if not stopped:
                self.halt()
                stopped.append(self)

    monkeypatch.setattr(drawing, "Child", Stopping)
    monkeypatch.setattr(drawing, "SILENCE", 5.0)
    write_report(run, processes=2)
    assert files(run) == alone
    assert stopped[0].ended()


def test_processes_that_read_other_records_draw_nothing(run, make, example):
    todo = {i: plan for i, plan in enumerate(plans(load_data(run))) if plan.build}
    read, found = drawing.stamp(run), {}
    drawing._have_drawn(run, todo, 2, read, found, silent)
    assert found.keys() == todo.keys()
    write_record(run, make("nbit_memory", "cotrained", "jslds", level=0.9), example("nbit_memory", 0.9, 0))
    assert drawing.stamp(run) != read
    found.clear()
    drawing._have_drawn(run, todo, 2, read, found, silent)
    assert not found


def test_a_folder_that_takes_no_figures_is_one_line(run):
    (run / "figures").write_text("in the way")
    with pytest.raises(UsageError, match="cannot write"):
        write_report(run, processes=2)


@pytest.mark.parametrize(("cores", "asked", "begun"), [(3, None, 3), (20, None, 8), (1, None, 0), (20, 2, 2)])
def test_there_are_as_many_processes_as_cores_unless_one_says(run, monkeypatch, cores, asked, begun):
    class Refused(Exception):
        """In place of a process."""

    count = []

    def child(*_: object) -> Child:
        count.append(1)
        if len(count) == begun:
            raise Refused
        return Mock(spec=Child, output=io.BytesIO())

    monkeypatch.setattr(drawing, "Child", child)
    monkeypatch.setattr(drawing, "usable_cores", lambda: list(range(cores)))
    with pytest.raises(Refused) if begun else nullcontext():
        write_report(run, processes=asked)
    assert len(count) == begun
    monkeypatch.setattr(drawing, "MANY", 1000)
    write_report(run, processes=asked)
    assert len(count) == begun


def test_where_no_process_can_be_had_one_draws(run, monkeypatch):
    write_report(run, processes=1)
    alone = files(run)

    def none(*_: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(drawing, "Child", none)
    write_report(run, processes=2)
    assert files(run) == alone


def test_what_a_killed_report_left_is_swept(run):
    (run / "figures").mkdir()
    left = run / "figures" / f".{_processes()}-{2**22 + 1}-x.part"
    left.write_text("half a figure")
    write_report(run, processes=1)
    assert not left.exists()
