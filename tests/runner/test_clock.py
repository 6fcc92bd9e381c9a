"""What a job's clock tells: every second is in one part."""

import time

import jax
import jax.numpy as jnp
import pytest

from jslds_bench.runner.clock import Parts


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


def test_what_fails_is_charged_too():
    parts = Parts()

    def fail():
        with parts("fitting"):
            spin(0.02)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert parts.seconds()["fitting"] >= 0.02
