"""What is refused, with which words; what is repaired, and says so."""

import jax
import numpy as np
import pytest

from jslds_bench.errors import UsageError
from jslds_bench.switching import arhmm, fitting, initialise, model
from jslds_bench.switching.float64 import enable_float64
from jslds_bench.switching.model import FitSettings, Spec
from jslds_bench.switching.parameters import Data

KEY = jax.random.key(0)
ONE = FitSettings(max_iterations=3, init_iterations=3)


def walk(n_trials=4, n_steps=30, d=2, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=(n_trials, n_steps, d)), axis=1)


def counts(seed=0):
    return np.random.default_rng(seed).poisson(1.0, size=(4, 30, 6)).astype(float)


def holed(value):
    y = walk()
    y[1, 2, 0] = value
    return y


@pytest.mark.parametrize(
    ("spec", "y", "u", "lengths", "words"),
    [
        (
            Spec(4),
            walk(1, 12),
            None,
            None,
            r"11 steps are too few for 4 modes with 3 .*at least 12; take fewer",
        ),
        (Spec(2), np.ones((2, 20, 3)), None, None, "observations are constant"),
        (Spec(2), holed(np.nan), None, None, r"observations\[1, 2, 0\] is nan \(1 values .*drop or fill"),
        (Spec(2), holed(np.inf), None, None, r"observations\[1, 2, 0\] is inf"),
        (Spec(2), walk(), np.full((4, 30, 1), np.nan), None, r"inputs\[0, 0, 0\] is nan"),
        (
            Spec(2),
            walk(),
            np.zeros((4, 29, 1)),
            None,
            r"inputs have shape \(4, 29, 1\), expected 4 trials of 30",
        ),
        (Spec(2), walk()[0], None, None, r"shape \(30, 2\), expected \[B, T, N\]; add the trial axis"),
        (Spec(2), walk(4, 1), None, None, "at least one trial of two steps"),
        (Spec(2), walk(), None, np.array([30, 31, 30, 30]), "lengths run from 30 to 31, expected 2 to 30"),
        (Spec(2), walk(), None, np.array([3.0, 3, 3, 3]), "one whole number per trial"),
        (
            Spec(2, 2, emissions="poisson"),
            counts() + 0.5,
            None,
            None,
            r"is \d\.5, expected counts .*without smoothing",
        ),
        (Spec(2, 2, emissions="poisson"), -counts(), None, None, r"is -\d, expected counts"),
        (Spec(2, 5, emissions="gaussian"), walk(d=3), None, None, "n_latent is 5, expected at most the 3"),
    ],
)
def test_refused_before_fitting(spec, y, u, lengths, words):
    with pytest.raises(UsageError, match=words):
        model.fit(spec, y, u, lengths, key=KEY)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n_modes": 0}, "n_modes is 0, expected a whole number of at least 1"),
        (
            {"n_modes": 2, "transitions": "recurent"},
            "'recurent', expected one of standard, sticky, recurrent_only",
        ),
        ({"n_modes": 2, "emissions": "gaussian"}, "give the latent dimension"),
        ({"n_modes": 2, "n_latent": 2}, "leave it out"),
        ({"n_modes": 2, "noise_floor": 0.0}, "use a small positive one"),
        ({"n_modes": 2, "ridge": -1.0}, "ridge is -1.0"),
        ({"n_modes": 2, "ridge": float("nan")}, "ridge is nan"),
    ],
)
def test_spec_refuses(fields, words):
    with pytest.raises(UsageError, match=words):
        Spec(**fields)


def test_widths_must_match_the_fit(known):
    system, fitted = known
    y, u = system.observations, system.inputs
    with pytest.raises(UsageError, match="inputs have width 2, expected 1"):
        model.infer(fitted, y, np.concatenate([u, u], axis=2))
    with pytest.raises(UsageError, match="inputs have width 0, expected 1"):
        model.most_likely_states(fitted, y)
    with pytest.raises(UsageError, match="observations have width 3, expected 2"):
        model.infer(fitted, np.concatenate([y, y[..., :1]], axis=2), u)
    with pytest.raises(UsageError, match="the last of width 1"):
        model.forecast(fitted, y[:, 0], u[..., :0])
    with pytest.raises(UsageError, match=r"states have shape \(20, 1\), expected \(20, 2\)"):
        model.forecast(fitted, y[:, 0, :1], u)
    with pytest.raises(UsageError, match="not finite"):
        model.forecast(fitted, y[:, 0], u * np.nan)


def finite(fitted):
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fitted.params)) and np.isfinite(
        fitted.elbo
    )


def test_singular_covariance_is_repaired_and_said(known):
    """The same shapes as the known system, so nothing is compiled anew: the second unit copies the first."""
    system, _ = known
    y = system.observations[..., :1].repeat(2, axis=2)
    fitted = model.fit(Spec(3), y, system.inputs, key=KEY, settings=ONE)
    assert finite(fitted)
    assert any("covariance is singular: 1 of 2 observed dimensions vary" in note for note in fitted.notes)
    assert np.linalg.eigvalsh(fitted.params.linear.q).min() > 0


def test_a_constant_unit_is_repaired_and_said(known):
    system, _ = known
    y = system.observations.copy()
    y[..., 1] = 4.0
    fitted = model.fit(Spec(3), y, system.inputs, key=KEY, settings=ONE)
    assert finite(fitted)
    assert any("1 observed units are constant (first: 1)" in note for note in fitted.notes)


def test_modes_without_work_are_named(known):
    """A noise-free line has one mode; three are asked for."""
    system, _ = known
    t = np.linspace(0, 1, system.observations.shape[1])
    y = np.stack([t, 2 * t], axis=1)[None].repeat(len(system.observations), axis=0)
    fitted = model.fit(Spec(3), y + 1e-3 * system.observations, system.inputs * 0, key=KEY, settings=ONE)
    assert finite(fitted)
    each = 4
    assert [f"mode {k}" in " ".join(fitted.notes) for k in range(3)] == list(fitted.occupancy < each)


def test_noise_free_trajectories_end_on_the_floor(known):
    """Without a floor Q would go to 0 and the likelihood to infinity."""
    system, _ = known
    steps = np.arange(system.observations.shape[1])
    phase = np.linspace(0, 6, len(system.observations))[:, None] + 0.2 * steps
    y = 0.99 ** steps[:, None] * np.stack([np.cos(phase), np.sin(phase)], axis=2)
    fitted = model.fit(Spec(3), y, system.inputs, key=KEY, settings=ONE)
    floor = 1e-4 * y.reshape(-1, 2).var(0)
    assert finite(fitted)
    busy = fitted.occupancy > 50
    np.testing.assert_allclose(
        fitted.params.linear.q[busy], np.diag(floor)[None].repeat(busy.sum(), 0), rtol=0.05, atol=1e-12
    )


def test_an_empty_mode_takes_over_what_is_explained_worst(known):
    """Two modes hold everything; the third is given the steps of least likelihood."""
    system, fitted = known
    labels = np.where(system.modes == 2, 0, system.modes)
    data = Data(system.observations, system.inputs, np.ones(system.modes.shape))
    modes = initialise.hard_modes(labels, data.mask, 3)
    with enable_float64():
        new, n_empty = initialise.reseed_empty(fitted.params, modes, data)
        assert n_empty == 1
        moved = np.asarray(new.single)[..., 2] > 0
        log_lik = np.asarray(arhmm.potentials(fitted.params, data).log_lik).max(axis=2)
        assert moved[:, 1:].sum() == 1000 // 6
        assert log_lik[:, 1:][moved[:, 1:]].max() <= log_lik[:, 1:][~moved[:, 1:]].min()
        assert initialise.reseed_empty(fitted.params, new, data) == (new, 0)


def test_a_fit_that_leaves_the_finite_numbers_keeps_the_last_good_state(known, monkeypatch):
    system, _ = known
    real, calls = fitting._next, []

    def breaks_at_third(*args):
        calls.append(1)
        state = real(*args)
        return state._replace(objective=state.objective * np.nan) if len(calls) == 3 else state

    monkeypatch.setattr(fitting, "_next", breaks_at_third)
    settings = FitSettings(tolerance=-np.inf)
    broken = model.fit(Spec(3), system.observations, system.inputs, key=KEY, settings=settings)
    assert finite(broken)
    assert not broken.converged
    assert len(broken.objective) == 3
    assert "left the finite numbers at iteration 3" in " ".join(broken.notes)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(known, scale):
    """log p(s x) = log p(x) − D log s per step, and the modes are the same."""
    system, fitted = known
    two = FitSettings(restarts=2)
    scaled = model.fit(
        Spec(3), scale * system.observations, system.inputs, key=jax.random.key(1), settings=two
    )
    assert scaled.elbo == pytest.approx(fitted.elbo - 2 * np.log(scale), rel=1e-6)
    got, expected = scaled.params.linear, fitted.params.linear
    i, j = np.argsort(got.a[:, 0, 1]), np.argsort(expected.a[:, 0, 1])  # restarts tie: the order is free
    np.testing.assert_allclose(got.a[i], expected.a[j], atol=1e-6)
    np.testing.assert_allclose(got.b[i], scale * expected.b[j], atol=1e-6 * scale)
