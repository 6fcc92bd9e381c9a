"""What runner and workers say to each other, and what is heard of one that is about to be ended."""

from __future__ import annotations

import json
import os
import signal
from types import SimpleNamespace

import pytest
from boards import Board

from jslds_bench.processes.child import Child, Garbled
from jslds_bench.processes.cores import Cores
from jslds_bench.runner.events import is_event
from jslds_bench.runner.limits import Limits
from jslds_bench.runner.pool import Pool
from jslds_bench.runner.queue import Queue
from jslds_bench.runner.run import _Run
from jslds_bench.runner.supervision import Command, Supervisor
from jslds_bench.suite import load_suite, resolve

GROUP = [("t", "n", "m", 0)]


@pytest.mark.parametrize(
    ("event", "group", "ready", "may"),
    [
        ({"event": "idle"}, [], True, True),
        ({"event": "idle"}, GROUP, True, False),
        ({"event": "ready", "environment": {}}, [], False, True),
        ({"event": "ready", "environment": {}}, [], True, False),
        ({"event": "begin", "keys": [["t", "n", "m", 0]]}, GROUP, True, True),
        ({"event": "begin", "keys": [["t", "n", "m", 1]]}, GROUP, True, False),
        ({"event": "begin", "keys": []}, GROUP, True, False),
        ({"event": "bogus"}, GROUP, True, False),
    ],
)
def test_what_a_worker_may_say(event, group, ready, may):
    assert is_event(event, group, ready) == may


class Told:
    """Stands for a worker."""

    def __init__(self, number: int) -> None:
        self.number, self.since, self.sent = number, 0.0, []
        self.task, self.keys, self.group, self.begun = "", [], [], True

    def send(self, content) -> None:
        self.sent.append(content)

    def halt(self) -> None: ...

    resume = halt


def test_a_halted_worker_is_told_nothing_until_it_goes_on(tmp_path):
    """A command may be longer than what a pipe holds: writing it waits for who reads."""
    suite = load_suite("smoke")
    run = _Run(resolve(suite), tmp_path, Limits(), True, Board(), lambda: True)
    one, other = Told(0), Told(1)
    jobs = list(run.jobs)[:2]
    queue, pool = Queue([jobs[:1], jobs[1:]], run.length), SimpleNamespace(workers=[one, other])
    command = Command(tmp_path, (), fresh=False, batched=False, shared=True)
    supervisor = Supervisor(pool, queue, run, command, Limits(), Board())
    supervisor.silence.ask(one)
    supervisor.next(other)
    assert (other.sent, supervisor.to_tell) == ([], [other])
    supervisor.silence.end(one)
    supervisor.next(other)
    assert len(other.sent) == 1


def test_what_a_worker_said_before_it_ended_is_heard(tmp_path, monkeypatch):
    """It is idle, and ends, after the runner has listened and before it asks who has ended."""
    command = {"jobs": [], "attempts": [], "plugins": [], "out": str(tmp_path)}
    with Pool(str(tmp_path)) as pool:
        worker, ready = pool.start(0), False
        while not ready:
            ready = any(event["event"] == "ready" for _, event in pool.events(0.5))
        worker.send({**command, "fresh": False, "batched": False, "shared": True})
        listen = pool._selector.select
        assert listen(60)
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
        waits = iter([True])
        monkeypatch.setattr(
            pool._selector, "select", lambda timeout: [] if next(waits, False) else listen(timeout)
        )
        said = [event and event["event"] for _, event in pool.events(0.5)]
        assert said == ["idle", None]


def test_one_that_is_ended_for_what_it_said_is_heard_no_further(tmp_path, monkeypatch):
    with Pool(str(tmp_path)) as pool:
        worker = pool.start(0)
        assert pool._selector.select(60)
        monkeypatch.setattr(worker, "read", lambda: [{"event": "bogus"}, {"event": "idle"}])
        said = []
        for event in pool.unread(worker):
            said.append(event["event"])
            pool.remove(worker)
        assert said == ["bogus"]


@pytest.mark.parametrize("memory", [float("inf"), float("nan"), 0.0])
def test_memory_has_a_limit(memory):
    with pytest.raises(ValueError, match="memory is"):
        Limits(memory=memory)


def test_a_worker_that_asks_for_the_machine_twice_is_ended_and_halts_nobody(tmp_path):
    """It would hold the silence for ever, and past any time-out: it alone was not halted."""
    suite = load_suite("smoke")
    run = _Run(resolve(suite), tmp_path, Limits(), True, Board(), lambda: True)
    one, other, halted = Told(0), Told(1), set()
    for worker in (one, other):
        worker.halt, worker.resume = (lambda w=worker: halted.add(w)), (lambda w=worker: halted.discard(w))
        worker.environment = {"a": 1}
    one.keys = one.group = list(run.jobs)[:1]
    removed = []

    class Pooled(SimpleNamespace):
        def remove(self, worker) -> None:
            self.workers.remove(worker)
            removed.append(worker)

    pool = Pooled(workers=[one, other], start=lambda number: None)
    command = Command(tmp_path, (), False, False, False)
    supervisor = Supervisor(pool, Queue([list(run.jobs)[1:2]], run.length), run, command, Limits(), Board())
    supervisor.hear(one, {"event": "quiet"})
    assert halted == {other}
    supervisor.hear(one, {"event": "quiet"})
    assert (removed, halted) == ([one], set())
    assert run.statuses[one.keys[0]] == "failed"
    supervisor.hear(other, {"event": "loud"})  # which it never asked for
    assert removed == [one, other]


def test_lines_of_any_length_arrive_whole_in_pieces_of_any_size(monkeypatch):
    long = {"event": "note", "text": "x" * 300_000}
    data = b"".join(
        json.dumps(event).encode() + b"\n" for event in ({"event": "idle"}, long, {"event": "idle"})
    )
    for size in (1 << 16, 7_001, 300_060):
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        child = Child.__new__(Child)
        child._pieces, child.output = [], SimpleNamespace(fileno=lambda: 0)
        monkeypatch.setattr(os, "read", lambda *_, left=pieces: left.pop(0) if left else b"")
        heard = []
        while (events := child.read()) is not None:
            heard += events
        assert heard == [{"event": "idle"}, long, {"event": "idle"}]


def test_a_line_without_an_end_is_no_event(monkeypatch):
    monkeypatch.setattr("jslds_bench.processes.child._LONGEST", 100)
    child = Child.__new__(Child)
    child._pieces, child.output = [], SimpleNamespace(fileno=lambda: 0)
    monkeypatch.setattr(os, "read", lambda *_: b"x" * 60)
    assert child.read() == []
    (garbled,) = child.read()
    assert garbled == Garbled("x" * 60)


def test_cores_that_do_not_suffice_are_not_held(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("jslds_bench.processes.cores.usable_cores", lambda: [0, 1, 2, 3])
    others, ours, third = Cores(), Cores(), Cores()
    assert others.take(0, 3) == [0, 1, 2]
    assert ours.take(0, 2) == [0, 1]  # its own, for nobody has two more
    assert third.take(0, 1) == [3]
