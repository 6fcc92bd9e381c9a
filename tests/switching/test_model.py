"""The public face on a known system: recovery, frozen inference, masks, forecasts, fixed points."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import mode_errors

from jslds_bench.dynamics.once import _kept, charged
from jslds_bench.switching import initialise, model, scoring
from jslds_bench.switching.parameters import Emission, Gate, Initial, Linear, Params


def test_known_system_is_recovered(known):
    system, fitted = known
    found = model.most_likely_states(fitted, system.observations, system.inputs)
    match = scoring.match_modes(system.modes, found)
    assert match.accuracy > 0.98
    errors = mode_errors(system.params.linear, fitted.params.linear, match.order, np.zeros(1))
    assert errors.eigenvalues.max() < 0.02
    assert errors.fixed_points.max() < 0.02
    np.testing.assert_allclose(fitted.params.linear.v[match.order], system.params.linear.v, atol=0.01)
    assert fitted.converged
    assert fitted.notes == ()
    assert fitted.elbo == fitted.restart_elbos.max()


def test_trace_never_falls(known, latent):
    for _, fitted in (known, latent):
        assert np.diff(fitted.objective).min() > -1e-9
        assert len(fitted.objective) > 2


def test_frozen_inference_of_the_training_data_gives_the_training_bound(known, latent):
    system, fitted = known
    found = model.infer(fitted, system.observations, system.inputs)
    assert found.elbo_per_step == pytest.approx(fitted.elbo, rel=1e-12)
    system, fitted = latent
    found = model.infer(fitted, system.observations, system.inputs)
    assert found.elbo_per_step == pytest.approx(fitted.elbo, abs=0.02)
    rebuilt = model.expected_observations(fitted, found.mean, found.cov)
    y = system.observations  # and explains their variance, all units together
    assert 1 - np.sum((y - rebuilt) ** 2) / np.sum((y - y.mean((0, 1))) ** 2) > 0.97


def test_padded_trials_equal_unpadded_ones(known):
    system, fitted = known
    y, u, lengths = padded(system, 25)
    long = model.infer(fitted, y, u, lengths)
    short = model.infer(fitted, y[:, :25], u[:, :25])
    np.testing.assert_allclose(long.elbo, short.elbo, rtol=1e-12)
    np.testing.assert_allclose(long.modes[:, :25], short.modes, atol=1e-12)
    path = model.most_likely_states(fitted, y, u, lengths)
    assert (path[:, 25:] == -1).all()
    assert (path[:, :25] >= 0).all()


def test_what_stands_in_the_padding_does_not_matter(latent):
    """That padding is exact for latent states too is in test_laplace_em: against a Kalman filter."""
    system, fitted = latent
    y, u, lengths = padded(system, 25)
    junk = model.infer(fitted, y, u, lengths)
    zeros = model.infer(fitted, np.nan_to_num(y), np.nan_to_num(u), lengths)
    np.testing.assert_array_equal(junk.elbo, zeros.elbo)
    assert not junk.modes[:, 25:].any()
    assert not junk.mean[:, 25:].any()
    whole = model.infer(fitted, system.observations, system.inputs)
    assert not np.allclose(whole.elbo, junk.elbo)


def padded(system, n):
    y, u = system.observations.copy(), system.inputs.copy()
    y[:, n:], u[:, n:] = np.nan, np.nan
    return y, u, np.full(len(y), n)


def test_forecast_follows_the_system_without_noise(known):
    system, fitted = known
    match = scoring.match_modes(
        system.modes, model.most_likely_states(fitted, system.observations, system.inputs)
    )
    x0, u = system.states[:, 0], system.inputs[:, 1:41]
    got = model.forecast(fitted, x0, u)
    linear, gate = system.params.linear, system.params.gate
    x, wrong = x0, 0
    for t in range(40):
        k = (gate.log_p[0] + x @ gate.r.T + u[:, t] @ gate.w.T).argmax(1)
        x = (
            np.einsum("bij,bj->bi", linear.a[k], x)
            + np.einsum("bij,bj->bi", linear.v[k], u[:, t])
            + linear.b[k]
        )
        wrong += (got.modes[:, t] != match.order[k]).sum()
        close = np.linalg.norm(got.states[:, t] - x, axis=1)
        assert np.median(close) < 0.1
    assert wrong < 0.1 * 40 * len(x0)  # the fitted gate differs near borders; chance would be 2 in 3
    np.testing.assert_array_equal(got.observations, got.states)


def test_a_chain_that_ignores_x_forecasts_on_its_own_marginal():
    """Sticky, 0.9 to stay in mode 0 and 1.0 in mode 1: argmax of each step alone would never leave mode 0."""
    fitted = sticky_fit()
    got = model.forecast(fitted, np.zeros((1, 1)), np.zeros((1, 12, 0)), np.array([[1.0, 0.0]]))
    assert got.modes[0].tolist() == [0 if 0.9**t > 0.5 else 1 for t in range(1, 13)]
    steps = [1 - 2 * 0.9**t for t in range(1, 13)]  # E(±1) of each step
    np.testing.assert_allclose(got.states[0, :, 0], np.cumsum(steps), atol=1e-12)


def test_a_chains_forecast_is_the_mean_over_all_paths_of_modes():
    """Brute force: every z_1 … z_5 with its probability, under modes whose A differ and a gate of u."""
    rng = np.random.default_rng(0)
    k, d, n_steps, n_inputs = 3, 2, 5, 2
    shapes = (k, d, d), (k, d, n_inputs), (k, d)
    params = Params(
        Initial(np.log(np.array([0.2, 0.5, 0.3])), np.zeros(d), np.eye(d)),
        Gate(rng.normal(size=(k, k)), np.zeros((k, d)), rng.normal(size=(k, n_inputs))),
        Linear(*(rng.normal(size=s) for s in shapes), np.tile(np.eye(d), (k, 1, 1))),
        Emission(np.eye(d), np.zeros(d), np.ones(d)),
    )
    spec = model.Spec(n_modes=k, transitions="sticky")
    fitted = model.Fit(spec, params, 0.0, np.zeros(1), True, np.zeros(1), np.ones(k))
    x0, u = rng.normal(size=d), rng.normal(size=(n_steps, n_inputs))
    logits = params.gate.log_p + (u @ params.gate.w.T)[:, None]
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)  # [T, K, K]
    expected = np.zeros((n_steps, d))
    for start in range(k):
        for path in itertools.product(range(k), repeat=n_steps):
            weight, before, x = np.exp(params.initial.log_pi[start]), start, x0
            course = []
            for t, z in enumerate(path):
                weight *= p[t, before, z]
                x, before = params.linear.a[z] @ x + params.linear.v[z] @ u[t] + params.linear.b[z], z
                course.append(x)
            expected += weight * np.array(course)
    got = model.forecast(fitted, x0[None], u[None])
    np.testing.assert_allclose(got.states[0], expected, atol=1e-10)


def sticky_fit():
    with np.errstate(divide="ignore"):
        log_p = np.log(np.array([[0.9, 0.1], [0.0, 1.0]]))
    params = Params(
        Initial(np.log([0.5, 0.5]), np.zeros(1), np.eye(1)),
        Gate(log_p, np.zeros((2, 1)), np.zeros((2, 0))),
        Linear(np.ones((2, 1, 1)), np.zeros((2, 1, 0)), np.array([[-1.0], [1.0]]), np.full((2, 1, 1), 0.1)),
        Emission(np.eye(1), np.zeros(1), np.ones(1)),
    )
    spec = model.Spec(n_modes=2, transitions="sticky")
    return model.Fit(spec, params, 0.0, np.zeros(1), True, np.zeros(1), np.ones(2))


def test_fixed_points_and_which_are_real(known):
    _, fitted = known
    got = model.fixed_points(fitted, np.zeros(1))
    linear = fitted.params.linear
    np.testing.assert_allclose(
        np.einsum("kij,kj->ki", linear.a, got.points) + linear.b, got.points, atol=1e-9
    )
    assert not got.real.any()  # every point lies in the next mode's sector
    homely = known_at_home(fitted)
    assert model.fixed_points(homely, np.zeros(1)).real.all()


def known_at_home(fitted):
    """The same modes, each with its fixed point deep in its own sector."""
    linear, gate = fitted.params.linear, fitted.params.gate
    centred = gate.r - gate.r.mean(0)
    points = 20 * centred / np.linalg.norm(centred, axis=1, keepdims=True)
    b = np.einsum("kij,kj->ki", np.eye(2) - linear.a, points)
    return dataclasses.replace(fitted, params=fitted.params._replace(linear=linear._replace(b=b)))


def test_samples_look_like_the_data(known):
    system, fitted = known
    drawn = model.sample(fitted, jax.random.key(5), system.inputs)
    for moment in (lambda x: x.mean(1), lambda x: x.std(1)):
        a, b = moment(drawn.states), moment(system.states)
        z = (a.mean(0) - b.mean(0)) / np.sqrt((a.var(0) + b.var(0)) / len(a))
        assert np.abs(z).max() < 4
    again = model.sample(fitted, jax.random.key(5), system.inputs)
    np.testing.assert_array_equal(drawn.observations, again.observations)


def test_float32_outside_stays_float32(latent):
    assert jnp.ones(2).dtype == jnp.float32
    _, fitted = latent
    assert fitted.params.linear.a.dtype == np.float64


def test_progress_counts_to_the_end_of_each_restart(known):
    system, _ = known
    seen = []
    model.fit(
        model.Spec(n_modes=3),
        system.observations,
        system.inputs,
        key=jax.random.key(1),
        settings=model.FitSettings(max_iterations=2),
        progress=lambda done, total, text: seen.append((done, total)),
    )
    assert seen == [(1, 2), (2, 2)]


def test_gates_of_other_kinds_go_on_from_one_start(known, monkeypatch):
    system, _ = known
    clustered, real = [], initialise.cluster_modes
    monkeypatch.setattr(initialise, "cluster_modes", lambda *args: clustered.append(args) or real(*args))
    few = model.FitSettings(max_iterations=2, init_iterations=2)

    def fit(kind, seed):
        spec = model.Spec(3, transitions=kind)
        return model.fit(spec, system.observations, system.inputs, key=jax.random.key(seed), settings=few)

    fit("sticky", 11)
    before = charged()
    shared = fit("recurrent_only", 11)
    assert len(clustered) == 1
    assert charged() > before
    fit("recurrent_only", 12)
    assert len(clustered) == 2
    _kept.clear()
    np.testing.assert_array_equal(shared.objective, fit("recurrent_only", 11).objective)
    assert len(clustered) == 3
