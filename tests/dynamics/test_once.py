"""What is shared between models: the same result, made once, charged each time."""

import time

import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.once import _MOST, charged, once
from jslds_bench.runner.clock import timed


def counted():
    calls = []

    def work(x, label):
        calls.append(label)
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        return x * 2

    return work, calls


def test_equal_arguments_are_worked_on_once_and_others_again():
    work, calls = counted()
    x = np.arange(3.0)
    np.testing.assert_array_equal(once(work, x, "a"), [0, 2, 4])
    np.testing.assert_array_equal(once(work, jnp.arange(3.0), "b"), [0, 2, 4])
    np.testing.assert_array_equal(once(work, x.copy(), "a"), [0, 2, 4])
    assert calls == ["a", "b"]
    x[0] = 5.0
    np.testing.assert_array_equal(once(work, x, "a"), [10, 2, 4])
    np.testing.assert_array_equal(once(work, x[:, None], "a"), [[10], [2], [4]])
    assert calls == ["a", "b", "a", "a"]


def test_the_last_few_are_kept():
    work, calls = counted()
    for k in (*range(_MOST + 1), _MOST, 0):
        once(work, np.full(1, k), "x")
    assert len(calls) == _MOST + 2


def test_whom_to_tell_of_progress_makes_no_difference():
    told = []

    def work(x, progress):
        progress(1)
        return x + 1

    for teller in (told.append, lambda n: told.append(-n)):
        np.testing.assert_array_equal(once(work, np.arange(2.0), progress=teller), [1, 2])
    assert told == [1]


def test_a_clock_charges_what_was_spared():
    work, _ = counted()
    x = np.ones(2)
    _, first = timed(lambda: once(work, x, "a"))
    before = charged()
    _, again = timed(lambda: once(work, x, "a"))
    assert charged() - before >= 0.05
    assert again >= 0.05
    assert first >= 0.05
