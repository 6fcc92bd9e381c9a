"""What a job's clock tells: every second is in one part."""

import contextlib
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import pytest

from jslds_bench.dynamics import once
from jslds_bench.runner import clock, load
from jslds_bench.runner.clock import Parts, StopWatch, timed
from jslds_bench.runner.load import MOST


def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_parts_add_up_to_the_wall_clock():
    before, parts, start = time.perf_counter(), Parts(), time.perf_counter()
    with parts("fitting"):
        spin(0.1)
    with parts("evaluating"):
        time.sleep(0.1)
    with parts("fitting"):
        spin(0.05)
    spin(0.05)
    least = time.perf_counter() - start
    seconds, wall = parts.seconds(), time.perf_counter() - before
    assert least - 1e-6 <= sum(seconds.values()) <= wall + 1e-6
    assert 0.15 <= seconds["fitting"] < 0.15 + wall - 0.3
    assert seconds["evaluating"] < 0.05
    assert seconds["halted"] >= 0.09
    assert seconds["other"] >= 0.05


def test_compiling_is_told_apart():
    parts = Parts()
    with parts("fitting"):
        jax.jit(lambda x: jnp.linalg.solve(x @ x + 1, x).sum())(jnp.ones((7, 7)))
    first = parts.seconds()
    assert first["compiling"] > 0.01
    with parts("fitting"):
        spin(0.02)
    assert parts.seconds()["compiling"] == first["compiling"]


def test_a_compilation_that_was_halted_counts_what_the_processor_did():
    parts = Parts()
    with parts("fitting"):
        spin(0.05)
        jax.monitoring.record_event_duration_secs("/jax/core/compile/backend_compile_duration", 3.0)
        spin(0.1)
    seconds = parts.seconds()
    assert 0.05 <= seconds["compiling"] < 0.1
    assert 0.1 <= seconds["fitting"] < 0.2


def test_one_silence_is_kept_for_the_runs_that_count(monkeypatch):
    log = []

    @contextlib.contextmanager
    def quiet():
        log.append("silence")
        yield
        log.append("noise")

    monkeypatch.setattr(clock, "BUDGET", 0.01)
    monkeypatch.setattr(clock, "_products", (0.0, 0.0))  # none were measured yet
    monkeypatch.setattr(clock.Load, "others", lambda load: 0.0)
    watch = StopWatch(quiet)
    calls = {name: lambda name=name: (log.append(name), time.sleep(0.02)) for name in "ab"}
    seconds = watch.seconds(**calls)
    assert seconds.keys() == calls.keys()
    assert min(seconds.values()) >= 0.02
    assert log == [*"ab", "silence", *"aaabbb", "noise"]
    rate = watch.products()
    assert rate > 1e6
    assert log[-1] == "noise"
    assert len(log) == 10  # products were measured in that silence
    monkeypatch.setattr(clock, "PRODUCTS_KEPT", 0.0)
    assert watch.products() != rate
    assert log[10:] == ["silence", "noise"]
    made, seconds = watch.once(lambda: (spin(0.05), time.sleep(0.1), 7)[-1])
    assert made == 7
    assert 0.05 <= seconds < 0.1
    assert log[-1] == "noise"


@pytest.mark.skipif(sys.platform != "linux", reason="what others compute is read from Linux's /proc/stat")
def test_what_was_timed_beside_others_is_no_speed(monkeypatch):
    runs = []
    watch = StopWatch(contextlib.nullcontext)
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        time.sleep(0.2)
        watch.seconds(call=lambda: (runs.append(1), spin(0.1)))
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert watch.others > MOST
    assert f"others kept {watch.others:.1f} cores busy" in watch.void()
    assert len(runs) == 1 + 3 * clock.TRIES
    assert clock._products_are_old()


@pytest.mark.parametrize(("seconds", "void"), [([], False), ([0.4, 0.0], False), ([0.4] * 9, True)])
def test_what_others_do_is_the_machines_work_without_our_own(monkeypatch, seconds, void):
    """`seconds`: of the processor that others take beside each try, of 0.3 s or so."""
    monkeypatch.setattr(clock, "BUDGET", 0.01)
    left, theirs = list(seconds), 0.0

    def call():
        nonlocal theirs
        spin(0.1)
        if len(runs) % 3 == 1 and left:
            theirs += left.pop(0)
        runs.append(1)

    runs = []
    monkeypatch.setattr(load, "_busy_seconds", lambda: time.process_time() + theirs)
    watch = StopWatch(contextlib.nullcontext)
    watch.seconds(call=call)
    assert (watch.void() is not None) is void
    assert len(runs) == 1 + 3 * (clock.TRIES if void else len(seconds) or 1)


def test_what_fails_is_charged_too():
    parts = Parts()

    def fail():
        with parts("fitting"):
            spin(0.02)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert parts.seconds()["fitting"] >= 0.02


def test_parts_may_begin_with_those_of_earlier():
    """A share of what was made together: it counts as if it had been just now."""
    before = {"network": 3.0, "compiling": 2.0, "other": 0.5, "halted": 1.5}
    begun, parts, start = time.perf_counter(), Parts(before), time.perf_counter()
    with parts("fitting"):
        spin(0.05)
    least = time.perf_counter() - start
    seconds, wall = parts.seconds(), time.perf_counter() - begun
    assert 7 + least - 1e-6 <= sum(seconds.values()) <= 7 + wall + 1e-6
    assert (seconds["network"], seconds["compiling"]) == (3.0, 2.0)
    assert seconds["fitting"] >= 0.05
    assert 0.5 <= seconds["other"] < 0.6
    assert seconds["halted"] == pytest.approx(1.5 + wall - 0.05, abs=0.1)


def test_beside_an_accelerator_the_wall_clock_counts(monkeypatch):
    """The processor waits for it, or compiles with many threads: its own seconds say nothing."""
    monkeypatch.setattr(once.jax, "default_backend", lambda: "cpu")
    slept = timed(lambda: time.sleep(0.1))[1]
    monkeypatch.setattr(once.jax, "default_backend", lambda: "gpu")
    assert slept < 0.05 < 0.1 <= timed(lambda: time.sleep(0.1))[1]
    parts = Parts()
    with parts("fitting"):
        time.sleep(0.1)
    assert parts.seconds()["fitting"] >= 0.1
    assert parts.seconds()["halted"] < 0.05
