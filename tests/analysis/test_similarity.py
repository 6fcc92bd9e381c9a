"""Angles between dynamics: nothing but turning, mirroring and scaling is overlooked."""

import numpy as np
import pytest

from jslds_bench.analysis.similarity import Driven, angle, driven


def run(a, b, n_trials=60, n_steps=40, seed=0):
    """States of x' = a x + b u, and u."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(n_trials, n_steps, b.shape[1]))
    x = [rng.normal(size=(n_trials, len(a)))]
    for t in range(n_steps):
        x.append(x[-1] @ a.T + u[:, t] @ b.T)
    return np.stack(x, axis=1), u


def system(n=5, seed=1):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, n))
    return 0.9 * a / np.abs(np.linalg.eigvals(a)).max(), rng.normal(size=(n, 2))


def turn(n, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


def rotation(theta):
    return np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])


def test_a_linear_system_is_recovered_up_to_its_coordinates():
    a, b = system()
    found = driven(*run(a, b), n_delays=1, rank=5)
    expected = np.linalg.eigvals(a)
    got = np.linalg.eigvals(found.a)
    assert max(np.abs(got - value).min() for value in expected) < 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_turned_mirrored_scaled_and_moved_it_is_the_same(seed):
    x, u = run(*system())
    other = 3.0 * x @ turn(5, seed).T + 7.0
    assert angle(driven(x, u), driven(other, u)) < 1e-3


def test_of_two_rotations_it_is_the_difference_of_their_angles():
    none = np.zeros((2, 1))
    for other in (0.7, -0.7):  # a mirror turns the sense round
        found = angle(Driven(rotation(0.4), none), Driven(2 * rotation(other), none))
        assert found == pytest.approx(0.3, abs=1e-6)


def test_what_inputs_do_counts():
    x, u = run(*system())
    a, b = system()
    other, _ = run(a, b[:, ::-1])
    apart = angle(driven(x, u), driven(other, u))
    assert apart > 0.1
    autonomous = [Driven(d.a, np.zeros_like(d.b)) for d in (driven(x, u), driven(other, u))]
    assert angle(*autonomous) < apart


def test_it_is_symmetric_and_a_hidden_turn_is_found():
    """Where A alone tells the turn, which many starts have to find."""
    rng = np.random.default_rng(5)
    for n in (4, 10):
        a, c, none = rng.normal(size=(n, n)), turn(n, n), np.zeros((n, 1))
        assert angle(Driven(a, none), Driven(c @ a @ c.T, none)) < 1e-2
        other = rng.normal(size=(n, n))
        there, back = (angle(Driven(x, none), Driven(y, none)) for x, y in ((a, other), (other, a)))
        assert there == pytest.approx(back, abs=0.02)
        assert 0.3 < there < np.pi / 2


def test_what_stands_still_has_nothing_in_common_with_what_moves():
    x, u = run(*system())
    still = driven(np.ones_like(x), u)
    assert angle(driven(x, u), still) == np.pi / 2
    assert angle(still, still) == 0
    assert not still.a.any()
    with pytest.raises(ValueError, match="got 2 states of a trial, expected at least 3"):
        driven(x[:, :2], u[:, :1])
