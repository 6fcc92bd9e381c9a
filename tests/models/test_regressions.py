"""Regressions on known states: systems for conditions (clds), lifted states (edmd)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics.linearize import apply_local
from jslds_bench.dynamics.rollout import free_run_error, one_step, trajectories
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.models import clds
from jslds_bench.models._shared import variable_projection
from jslds_bench.models.clds import MOST_CONDITIONS, ConditionalLDS, _kernel
from jslds_bench.models.dmdc import DMDc
from jslds_bench.models.edmd import EDMD, features
from jslds_bench.networks.analytic import Analytic
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.tasks.perturbations import Perturbations
from jslds_bench.types.core import Trials

TASK = Perturbations(n_steps=12)
KEY = jax.random.key(0)


def of_condition(trials, u_star):
    kept = np.flatnonzero(np.all(trials.u_star == u_star, axis=1))
    return trials._replace(**{k: getattr(trials, k)[kept] for k in ("inputs", "targets", "u_star")})


def test_conditions_with_nothing_in_common_are_fitted_each_by_itself(flip_flop, trials):
    model = ConditionalLDS(length=1e-2, shared=0.0, ridge=1e-9).fit(TASK, flip_flop, trials, KEY)
    for u_star in np.asarray(TASK.expansion_inputs()):
        own = of_condition(trials, u_star)
        alone = DMDc(ridge=1e-9).fit(TASK, flip_flop, own, KEY)
        states = trajectories(flip_flop, own.inputs)
        got = one_step(model, states, own.inputs, own.u_star)
        np.testing.assert_allclose(got, one_step(alone, states, own.inputs, own.u_star), atol=2e-3)


def test_where_all_is_shared_it_is_one_linear_fit(flip_flop, trials):
    """A kernel as wide as this has no room for differences between conditions."""
    model = ConditionalLDS(length=1e3, ridge=1e-4).fit(TASK, flip_flop, trials, KEY)
    systems = [model.local(jnp.zeros(4), u, u) for u in jnp.asarray(TASK.expansion_inputs())]
    alike = max(float(jnp.abs(systems[0].A - s.A).max()) for s in systems[1:])
    own = ConditionalLDS(length=1e-2, shared=0.0).fit(TASK, flip_flop, trials, KEY)
    apart = [own.local(jnp.zeros(4), u, u).A for u in jnp.asarray(TASK.expansion_inputs())]
    assert alike < 0.1 * float(jnp.abs(apart[0] - apart[1]).max())


def test_a_condition_s_system_is_the_step(flip_flop, trials):
    model = ConditionalLDS().fit(TASK, flip_flop, trials, KEY)
    u, star = jnp.asarray(trials.inputs[0, 0]) + 0.3, jnp.asarray(trials.u_star[0])
    h = jnp.array([0.3, -0.2, 0.5, 0.1])
    ahead = model.step(model.init(h, star), h, u, star)[1]
    np.testing.assert_allclose(apply_local(model.local(h, u, star), h, u), ahead, rtol=1e-4, atol=1e-5)
    (point,) = model.fixed_points(star)
    np.testing.assert_allclose(model.step(model.init(h, star), point, star, star)[1], point, atol=1e-3)


def test_between_conditions_a_system_lies_between(flip_flop, trials):
    model = ConditionalLDS().fit(TASK, flip_flop, trials, KEY)
    one, other = jnp.asarray(TASK.expansion_inputs())
    a, b, c = (model.local(jnp.zeros(4), u, u).A for u in (one, (one + other) / 2, other))
    assert jnp.linalg.norm(b - (a + c) / 2) < jnp.linalg.norm(a - c)


def test_a_condition_that_was_seen_is_served_as_it_was_fitted(monkeypatch):
    """Eight conditions as near as in `sine_generator`: what each has of its own is part of the fit."""
    conditions = np.linspace(-1, 1, 8).astype(np.float32)
    kernel = _kernel(np, conditions[:, None], conditions[:, None], conditions.std(), 1.0, 100.0)
    assert np.linalg.eigvalsh(kernel)[0] < 2e-5
    turns = 0.3 + 0.2 * (-1.0) ** np.arange(8)  # as unlike its neighbours as can be
    true = np.array([[[np.cos(x), -np.sin(x)], [np.sin(x), np.cos(x)]] for x in turns])
    which = np.repeat(np.arange(8), 16)
    states = [np.random.default_rng(0).normal(size=(128, 2))]
    for _ in range(12):
        states.append(np.einsum("bij,bj->bi", true[which], states[-1]))
    monkeypatch.setattr(clds, "fit_states", lambda network, trials: np.stack(states, axis=1))
    network = Analytic("bistable", n_state=2).build(TASK, KEY)
    u_star = conditions[which][:, None]
    trials = Trials(np.zeros((128, 12, 1)), np.zeros((128, 12, 1)), np.ones(12), u_star)
    model = ConditionalLDS(ridge=1e-9).fit(TASK, network, trials, KEY)
    found = [np.asarray(model.local(jnp.zeros(2), u, u).A) for u in jnp.asarray(conditions[:, None])]
    assert np.abs(np.stack(found) - true).max() < 0.01


def test_clds_refuses_what_it_cannot_serve(flip_flop, trials):
    for wrong in ({"length": 0.0}, {"shared": -1.0}, {"ridge": 0.0}):
        with pytest.raises(UsageError, match="clds needs length > 0, shared ≥ 0 and ridge > 0, got"):
            ConditionalLDS(**wrong)
    each = trials._replace(u_star=np.random.default_rng(0).normal(size=trials.u_star.shape))
    with pytest.raises(Unsupported, match=f"at most {MOST_CONDITIONS}: 128"):
        ConditionalLDS().fit(TASK, flip_flop, each, KEY)


def test_polynomials_find_a_cubic_map():
    """The normal form of a limit cycle is cubic: without kicks the lifted fit is the map itself."""
    task = Perturbations(n_contexts=0, n_steps=40, p_jump=0.0)
    network = Analytic("cycle", n_state=2).build(task, KEY)
    trials = ev.draw_trials(task, 0, "fit", 8)
    states = trajectories(network, trials.inputs)
    model = EDMD("polynomial", n_latent=2, degree=3, bilinear=False, ridge=(1e-12,))
    assert free_run_error(model.fit(task, network, trials, KEY), network, trials, states) < 1e-4
    assert free_run_error(DMDc().fit(task, network, trials, KEY), network, trials, states) > 1e-2


@pytest.mark.parametrize("lift", ["radial", "polynomial"])
def test_lifts_beat_one_linear_fit_of_a_flip_flop(flip_flop, trials, lift):
    unseen = ev.draw_trials(TASK, 0, "evaluation", 64)
    states = trajectories(flip_flop, unseen.inputs)
    plain = DMDc().fit(TASK, flip_flop, trials, KEY)
    lifted = EDMD(lift, n_latent=4, n_centres=30, degree=3).fit(TASK, flip_flop, trials, KEY)
    errors = [
        np.mean((one_step(m, states, unseen.inputs, unseen.u_star) - states[:, 1:]) ** 2)
        for m in (plain, lifted)
    ]
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize("lift", ["radial", "polynomial"])
def test_local_is_the_taylor_expansion_of_the_step(flip_flop, trials, lift, bilinear):
    model = EDMD(lift, 3, 7, 3, bilinear, (1e-4,)).fit(TASK, flip_flop, trials, KEY)
    h, u, star = jnp.array([0.3, -0.2, 0.5, 0.1]), jnp.asarray(trials.inputs[0, 3]), jnp.zeros(4)
    local = model.local(h, u, star)
    np.testing.assert_allclose(local.c, model.step((), h, u, star)[1])
    for i, (dh, du) in enumerate([(1e-2 * jnp.eye(4)[0], 0 * u), (0 * h, 1e-2 * jnp.eye(len(u))[1])]):
        ahead, back = (model.step((), h + s * dh, u + s * du, star)[1] for s in (1, -1))
        np.testing.assert_allclose(
            (ahead - back) / 2e-2, (local.A[:, 0], local.B[:, 1])[i], rtol=2e-2, atol=2e-3
        )
    assert model.fixed_points(star) is None


def test_monomials_are_counted_once(flip_flop, trials):
    model = EDMD("polynomial", 3, 1, 3, False, (1e-4,)).fit(TASK, flip_flop, trials, KEY)
    h, u = np.array([0.3, -0.2, 0.5, 0.1]), np.zeros(4)
    made = features(np, jax.tree.map(lambda x: np.asarray(x, np.float64), model), h, u)
    x = (h - np.asarray(model.mean)) @ np.asarray(model.basis)
    pairs = [x[i] * x[j] for i in range(2) for j in range(i, 2)]
    triples = [x[i] * x[j] * x[k] for i in range(2) for j in range(i, 2) for k in range(j, 2)]
    np.testing.assert_allclose(made[4:-5], [*pairs, *triples], rtol=1e-6)
    assert len(x) == 2  # of the three that were asked for, those that vary
    assert len(made) == 4 + 3 + 4 + 4 + 1


@pytest.mark.parametrize("lost", [True, False])
def test_edmd_is_fitted_to_all_unless_the_free_run_is_lost_by_that(lost, flip_flop, trials, monkeypatch):
    errors = iter([0.1, 0.2, 0.1, 1.0 if lost else 0.1])  # of two ridges, and before and after the fit to all
    monkeypatch.setattr(variable_projection, "free_run_error", lambda *_: next(errors))
    model = EDMD("polynomial", 3, 1, 2, False, (1e-4, 1e-2)).fit(TASK, flip_flop, trials, KEY)
    states, n = trajectories(flip_flop, trials.inputs).astype(np.float64), len(trials.inputs)
    part = slice(n - n // 4 if lost else n)
    rows = features(np, jax.tree.map(np.asarray, model), states[part, :-1], np.asarray(trials.inputs[part]))
    rows, after = rows.reshape(-1, rows.shape[-1]), states[part, 1:].reshape(-1, states.shape[-1])
    penalty = 1e-4 * np.trace(rows.T @ rows) / rows.shape[1] * np.array([*[1.0] * (rows.shape[1] - 1), 1e-6])
    expected = np.linalg.solve(rows.T @ rows + np.diag(penalty), rows.T @ after)
    np.testing.assert_allclose(model.weights, expected, atol=1e-4)


def test_edmd_refuses_what_means_nothing():
    for wrong, words in (
        ({"lift": "fourier"}, 'lift "radial" or "polynomial"'),
        ({"degree": 1}, "degree ≥ 2"),
        ({"ridge": (0.0,)}, "ridge > 0"),
    ):
        with pytest.raises(UsageError, match=words):
            EDMD(**wrong)
