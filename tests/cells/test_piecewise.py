"""Every fixed point of an almost-linear RNN, against searches from many starts."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.cells._shared.piecewise import MOST_REGIONS, fixed_points
from jslds_bench.contract.settings.networks.cases import random_network
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.errors import UsageError

P = 8


def network(seed, n=12, p=P, gain=2.5):
    """Recurrent weights strong enough for several points."""
    return random_network(f"al_rnn(p={p})", n, gain=gain, seed=seed)


def by_newton(net, p, u, starts, rounds=60):
    """Where Newton's method ends from many starts: exact in each region, so it ends or goes round."""
    dense, gain = (jax.tree.map(lambda x: np.asarray(x, np.float64), stage) for stage in net.params)
    n = len(gain.w)
    whole = np.asarray(u, np.float64) @ dense.v + dense.b
    h, ended = starts, []
    for _ in range(rounds):
        d = np.concatenate([np.ones((len(h), n - p)), h[:, n - p :] > 0], axis=1)
        solved = {}
        for row in np.unique(d, axis=0):
            solved[row.tobytes()] = np.linalg.solve((np.diag(1 - gain.w) - row[:, None] * dense.w).T, whole)
        after = np.array([solved[row.tobytes()] for row in d])
        done = ((after[:, n - p :] > 0) == (d[:, n - p :] > 0)).all(axis=1)
        ended.append(after[done])
        h = after[~done]
        if not len(h):
            break
    return np.unique(np.round(np.concatenate(ended), 6), axis=0)


def compare(seed, n_starts):
    net = network(seed)
    u = np.random.default_rng(seed).normal(size=2).astype(np.float32)
    exact = fixed_points(P, net.params, u)
    ahead = net.cell.step(net.params, jnp.asarray(exact, jnp.float32), jnp.asarray(u))
    np.testing.assert_allclose(ahead, exact, atol=1e-4 * max(1, np.abs(exact).max(initial=0)))
    starts = (
        3 * np.random.default_rng(seed).normal(size=(n_starts, 12)) * max(1, np.abs(exact).max(initial=1))
    )
    searched = by_newton(net, P, u, starts)
    for point in searched:
        assert np.abs(exact - point).max(axis=1).min() < 1e-4
    # and each exact point is where Newton's method stays, so that nothing is listed that is none
    for point in exact:
        assert np.abs(by_newton(net, P, u, point[None]) - point).max() < 1e-4
    return len(exact), len(searched)


def test_no_search_finds_a_point_that_is_not_among_them():
    counts = [compare(seed, 300) for seed in range(4)]
    assert max(exact for exact, _ in counts) > 1
    assert all(found <= exact for exact, found in counts)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_brute_force_from_a_hundred_thousand_starts_finds_the_same():
    counts = [compare(seed, 100_000) for seed in range(20)]
    print(counts)
    assert all(exact == found for exact, found in counts)
    assert sum(exact for exact, _ in counts) > 15


def test_too_many_regions_and_a_continuum_are_not_solved():
    net = network(0, n=14, p=13)
    assert MOST_REGIONS < 2**13
    assert fixed_points(13, net.params, np.zeros(2)) is None
    dense, gain = network(0).params
    along = gain._replace(w=gain.w.at[0].set(1.0))  # h_0 keeps what it has
    still = dense._replace(w=dense.w.at[0].set(0.0).at[:, 0].set(0.0), b=dense.b.at[0].set(0.0))
    assert fixed_points(P, (still, along), np.zeros(2)) is None


def test_the_name_carries_p():
    assert get_cell("al_rnn") is get_cell("al_rnn(p=8)")
    assert get_cell("al_rnn(p=3)").name == "al_rnn(p=3)"
    for wrong, words in (
        ("al_rnn(p=0)", "p ≥ 1, got 0"),
        ("al_rnn(p=2.5)", "parameter 'p' of cell 'al_rnn' is 2.5 (float), expected int"),
        ("al_rnn(q=1)", "has no parameter 'q' (it has: p)"),
    ):
        with pytest.raises(UsageError, match=re.escape(words)):
            get_cell(wrong)


def test_only_the_last_units_are_rectified():
    net = network(1, n=5, p=2)
    dense, gain = net.params
    h = -jnp.ones(5)
    want = gain.w * h + jnp.array([-1, -1, -1, 0, 0.0]) @ dense.w + dense.b
    np.testing.assert_allclose(net.step(h, jnp.zeros(2)), want, rtol=1e-6)
