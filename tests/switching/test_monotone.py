"""ELBO + log prior, and the ARHMM's penalised likelihood, never fall by more than rounding."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jslds_bench.switching import arhmm, initialise
from jslds_bench.switching import gaussian_chain as gc
from jslds_bench.switching import laplace_em as em
from jslds_bench.switching.float64 import enable_float64
from jslds_bench.switching.parameters import Belief, Data, Emission, Spec

B, T, D, U, N, K = 20, 50, 2, 1, 6, 3  # the shapes of the fixtures: compiled once for all
moments = jax.jit(jax.vmap(gc.moments))
few = settings(max_examples=6, deadline=None, derandomize=True)
many = settings(max_examples=60, deadline=None)
random_problems = given(
    seed=st.integers(0, 10**6),
    scale=st.sampled_from([0.01, 1.0, 100.0]),
    roughness=st.sampled_from([0.0, 0.3]),
)


def problem(seed, scale, roughness):
    """Random, mostly ill-suited data: a random walk through a random squashing, with outliers."""
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(size=(B, T, D)), axis=1)
    x = scale * (np.tanh(x @ rng.normal(size=(D, D))) + roughness * rng.standard_t(3, size=x.shape))
    lengths = rng.integers(T // 2, T + 1, size=B)
    mask = (np.arange(T) < lengths[:, None]).astype(float)
    labels = rng.integers(K, size=(B, T))
    u = rng.normal(size=(B, T, U)) * mask[..., None]
    single = np.eye(K)[labels] * mask[..., None]
    belief = Belief(single, single[:, :-1, :, None] * single[:, 1:, None, :])
    return rng, x * mask[..., None], u, mask, belief


def never_falls(values):
    values = np.array(values)
    assert np.isfinite(values).all()
    assert np.diff(values).min() >= -1e-9 * (1 + np.abs(values).max()), np.diff(values).min()
    assert values[-1] > values[0]


def gate(kind):
    """What the quick tests use: a sticky chain without inputs (as starts do), recurrence with them."""
    return {"n_modes": K, "transitions": kind, "gate_inputs": kind == "recurrent_only"}


@pytest.mark.parametrize("kind", ["sticky", "recurrent_only"])
@few
@random_problems
def test_arhmm_likelihood(kind, seed, scale, roughness):
    never_falls(known_objectives(Spec(**gate(kind)), seed, scale, roughness))


@pytest.mark.parametrize("kind", ["sticky", "recurrent_only"])
@few
@random_problems
def test_gaussian_elbo(kind, seed, scale, roughness):
    spec = Spec(**gate(kind), n_latent=D, emissions="gaussian")
    never_falls(latent_objectives(spec, seed, scale, roughness))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["standard", "sticky", "recurrent_only"])
@many
@random_problems
def test_many_objectives(kind, seed, scale, roughness):
    """The same over ten times as many problems and all kinds of gate, with inputs."""
    never_falls(known_objectives(Spec(n_modes=K, transitions=kind), seed, scale, roughness))
    spec = Spec(n_modes=K, n_latent=D, transitions=kind, emissions="gaussian")
    never_falls(latent_objectives(spec, seed, scale, roughness))


@pytest.mark.slow
@many
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([0.3, 1.0]), roughness=st.sampled_from([0.0, 0.3]))
def test_poisson_elbo(seed, scale, roughness):
    """Poisson expectations are closed and q(x) is back-tracked on the ELBO, so this holds as well."""
    spec = Spec(n_modes=K, n_latent=D, transitions="recurrent_only", emissions="poisson")
    never_falls(latent_objectives(spec, seed, scale, roughness))


def known_objectives(spec, seed, scale, roughness):
    _, x, u, mask, belief = problem(seed, scale, roughness)
    data = Data(x, u, mask)
    with enable_float64():
        prior = initialise.make_prior(spec, data, x)
        params = arhmm.m_step(arhmm.blank_params(spec, D, U), belief.modes(), data, prior, spec, 1)
        values = []
        for _ in range(10):
            out = arhmm.em_step(params, data, prior, spec)
            values.append(float(out.objective))
            params = out.params
    assert np.any(params.gate.r) == spec.recurrent  # a gate learns what its kind reads
    assert np.any(params.gate.w) == spec.gate_inputs
    return values


def standard_normal(belief):
    """A q(x) that knows nothing, for the first E-step to start from."""
    chain = gc.Chain(np.tile(np.eye(D), (B, T, 1, 1)), np.zeros((B, T - 1, D, D)), np.zeros((B, T, D)))
    return em.Variational(belief, chain, moments(chain))


def latent_objectives(spec, seed, scale, roughness):
    rng, x, u, mask, belief = problem(seed, scale, roughness)
    y = x @ rng.normal(size=(D, N)) + 0.1 * scale * rng.normal(size=(B, T, N))
    if spec.emissions == "poisson":
        y = rng.poisson(np.exp(np.minimum(y, 3))).astype(float)
    data = Data(y * mask[..., None], u, mask)
    known = Data(x, u, mask)
    with enable_float64():
        start = initialise.known_states(spec)
        params = arhmm.m_step(
            arhmm.blank_params(start, D, U),
            belief.modes(),
            known,
            initialise.make_prior(start, known, x),
            start,
            1,
        )
        basis = initialise.pca(y[mask > 0], D)
        emission = Emission(0.3 * basis.loadings, np.zeros(N), np.full(N, y.var()))
        params = params._replace(emission=emission)
        prior = initialise.make_prior(spec, data, x)
        q, _ = em.e_step(params, standard_normal(belief), data, spec)
        values = []
        for _ in range(8):
            out = em.em_step(params, q, data, prior, spec)
            params, q = out.params, out.q
            values.append(float(out.objective))
    return values


def test_pure_elbo_rises_where_there_is_no_prior():
    """With every prior at zero the objective is the ELBO itself."""
    spec = Spec(**gate("sticky"), n_latent=D, emissions="gaussian")
    rng, x, u, mask, belief = problem(5, 1.0, 0.3)
    y = x @ rng.normal(size=(D, N)) + 0.1 * rng.normal(size=(B, T, N))
    data, known, start = Data(y * mask[..., None], u, mask), Data(x, u, mask), initialise.known_states(spec)
    with enable_float64():
        params = arhmm.m_step(
            arhmm.blank_params(start, D, U),
            belief.modes(),
            known,
            initialise.make_prior(start, known, x),
            start,
            1,
        )
        params = params._replace(
            emission=Emission(0.3 * initialise.pca(y[mask > 0], D).loadings, np.zeros(N), np.ones(N))
        )
        floors = initialise.make_prior(spec, data, x)
        prior = jax.tree.map(np.zeros_like, floors)._replace(
            state_floor=floors.state_floor, noise_floor=floors.noise_floor, log_rate=floors.log_rate
        )
        q, _ = em.e_step(params, standard_normal(belief), data, spec)
        values = []
        for _ in range(15):
            out = em.em_step(params, q, data, prior, spec)
            params, q = out.params, out.q
            values.append(float(out.elbo.sum()))
    never_falls(values)
