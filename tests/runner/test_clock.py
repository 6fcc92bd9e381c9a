"""What a job's clock tells: every second is in one part."""

import contextlib
import time

import jax
import jax.numpy as jnp
import pytest

from jslds_bench.runner.clock import Parts, StopWatch


def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_parts_add_up_to_the_wall_clock():
    parts, start = Parts(), time.perf_counter()
    with parts("fitting"):
        spin(0.1)
    with parts("evaluating"):
        time.sleep(0.1)
    with parts("fitting"):
        spin(0.05)
    spin(0.05)
    seconds, wall = parts.seconds(), time.perf_counter() - start
    assert sum(seconds.values()) == pytest.approx(wall, abs=0.02)
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


def test_silence_is_kept_for_the_runs_that_count():
    log = []

    @contextlib.contextmanager
    def quiet():
        log.append("silence")
        yield
        log.append("noise")

    watch = StopWatch(quiet)
    assert watch.seconds(lambda: (log.append("run"), time.sleep(0.02)), budget=0.01) >= 0.02
    assert log == ["run", "silence", "run", "run", "run", "noise"]
    made, seconds = watch.once(lambda: (spin(0.05), time.sleep(0.1), 7)[-1])
    assert made == 7
    assert 0.05 <= seconds < 0.1
    assert log[-1] == "noise"


def test_what_fails_is_charged_too():
    parts = Parts()

    def fail():
        with parts("fitting"):
            spin(0.02)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert parts.seconds()["fitting"] >= 0.02
