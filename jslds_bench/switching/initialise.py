"""Where a fit starts: states by PCA or a Poisson LDS, modes by clustering → sticky ARHMM → target ARHMM."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Float, Int

from jslds_bench.dynamics.compiled import compiled
from jslds_bench.dynamics.once import once
from jslds_bench.switching import arhmm
from jslds_bench.switching import laplace_em as em
from jslds_bench.switching.emissions import Views, update_emission
from jslds_bench.switching.parameters import Belief, Data, Emission, Modes, Params, Prior, Spec

RANK = 1e-10
"""Variance, relative to the largest, under which a component of float32 states counts as none."""


class Basis(NamedTuple):
    """Principal components: mean [N], loadings [N, D] (orthonormal columns), variances of all N."""

    mean: Float[Any, " N"]
    loadings: Float[Any, "N D"]
    variances: Float[Any, " N"]


class Start(NamedTuple):
    """The states a fit starts from, [B, T, D], the emissions they go with, and what had to be repaired."""

    x: Float[Any, "B T D"]
    emission: Emission
    notes: tuple[str, ...]


def pca(rows: Float[Any, "R N"], n_components: int) -> Basis:
    """Principal components of rows, by falling variance; signs fixed by each component's largest loading."""
    mean = rows.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(rows.T, bias=True).reshape(rows.shape[1], -1))
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return Basis(mean, vectors[:, :n_components], np.maximum(values, 0.0))


def known_states(spec: Spec) -> Spec:
    """The same model on known states: what the ARHMM stages fit."""
    return dataclasses.replace(spec, emissions="identity", n_latent=None)


def make_prior(spec: Spec, data: Data, x: Float[Any, "B T D"]) -> Prior:
    """Priors and floors in the units of the data; see `Spec` and `Prior`."""
    valid = data.mask > 0
    rows, u, y = x[valid], data.u[valid], data.y[valid]
    k, d = spec.n_modes, rows.shape[1]

    def floor(values: Any) -> Any:
        variances = values.var(axis=0)
        return spec.noise_floor * np.maximum(variances, max(1e-6 * variances.mean(), 1e-300))

    squares = np.mean(np.concatenate([rows, u], axis=1) ** 2, axis=0)
    squares = np.where(squares > 0, squares, 1.0)
    n_from = 1 if spec.transitions == "recurrent_only" else k
    counts = np.full((n_from, k), spec.pseudo_count)
    if spec.transitions == "sticky":
        counts = counts + spec.stickiness * np.eye(k)
    tail = 1e-2 if spec.emissions == "poisson" else 1e-9
    return Prior(
        state_floor=floor(rows),
        linear=np.append((spec.ridge + 1e-9) * squares, 1e-9),
        gate=spec.gate_ridge * squares,
        counts=counts,
        first=np.full(k, spec.pseudo_count),
        emission=np.append((spec.ridge + 1e-9) * squares[:d], tail),
        noise_floor=floor(y),
        log_rate=np.log(np.maximum(y.mean(axis=0), 0.5 / len(y)))
        if spec.emissions == "poisson"
        else y.mean(axis=0),
    )


def _poisson_start(spec: Spec, data: Data, d: int, n_iterations: int) -> tuple[Any, Emission]:
    """States by a Poisson LDS, itself started from the components of smoothed log counts."""
    smooth = scipy.ndimage.gaussian_filter1d(data.y, 2.0, axis=1, mode="nearest")
    logs = np.log(smooth + 0.1 * data.y.mean() + 1e-3)
    basis = pca(logs[data.mask > 0], d)
    x = (logs - basis.mean) @ basis.loadings * data.mask[..., None]
    lds = dataclasses.replace(spec, n_modes=1, transitions="standard")
    prior, lds = make_prior(lds, data, x), lds.structure
    flat = Views(
        data.y.reshape(-1, data.y.shape[2]),
        data.mask.ravel(),
        x.reshape(-1, d),
        np.zeros((data.mask.size, d, d)),
    )
    first = Emission(0.1 * basis.loadings, prior.log_rate, np.ones(data.y.shape[2]))
    for _ in range(3):
        first = _update_poisson(first, flat, prior)
    belief = Belief(data.mask[..., None], data.mask[:, 1:, None, None])
    known = Data(x, data.u, data.mask)
    blank = arhmm.blank_params(known_states(lds), d, data.u.shape[2])
    params = arhmm.m_step(blank, belief.modes(), known, prior, known_states(lds), 5)._replace(emission=first)
    q = em.laplace(params, belief, x, data, lds)
    for _ in range(n_iterations):
        params, q, _, _ = em.em_step(params, q, data, prior, lds)
    return np.asarray(q.moments.mean) * data.mask[..., None], params.emission


_update_poisson = compiled(lambda emission, views, prior: update_emission("poisson", emission, views, prior))


def start_states(spec: Spec, data: Data, n_iterations: int = 15) -> Start:
    """First states: the data themselves, their principal components, or a Poisson LDS's smoothed means."""
    n = data.y.shape[2]
    if spec.emissions == "identity":
        variances = pca(data.y[data.mask > 0], n).variances
        notes = _rank_note(variances, n, "observed dimensions")
        return Start(data.y, Emission(np.eye(n), np.zeros(n), np.ones(n)), notes)
    assert spec.n_latent is not None
    if spec.emissions == "poisson":
        x, emission = _poisson_start(spec, data, spec.n_latent, n_iterations)
        silent = int(np.sum(data.y.sum(axis=(0, 1)) == 0))
        return Start(
            x, emission, (f"{silent} units never spike: the prior alone sets them",) if silent else ()
        )
    basis = pca(data.y[data.mask > 0], spec.n_latent)
    x = (data.y - basis.mean) @ basis.loadings * data.mask[..., None]
    residual = (data.y - x @ basis.loadings.T - basis.mean)[data.mask > 0]
    error = np.maximum(residual.var(axis=0), spec.noise_floor * basis.variances.mean())
    notes = _rank_note(basis.variances, spec.n_latent, "latent dimensions")
    return Start(x, Emission(basis.loadings, basis.mean, error), notes)


def _rank_note(variances: Any, n: int, what: str) -> tuple[str, ...]:
    rank = int(np.sum(variances > RANK * variances.max()))
    if rank >= n:
        return ()
    return (f"the covariance is singular: {rank} of {n} {what} vary; ridge and noise floor hold the others",)


def cluster_modes(
    x: Float[Any, "B T D"], mask: Any, n_modes: int, seed: int, variant: int
) -> Int[Any, "B T"]:
    """Labels by k-means; restarts differ in seed and in the features: place and step, place, or step."""
    scale = x[mask > 0].std(axis=0).max()
    place, step = x[:, :-1] / scale, np.diff(x, axis=1)
    valid = mask[:, 1:] > 0
    step = step / max(step[valid].std(axis=0).max(), 1e-300)
    features = [np.concatenate([place, step], axis=2), place, step][variant % 3][valid]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty cluster is reseeded later
        _, labels = scipy.cluster.vq.kmeans2(features, n_modes, minit="++", rng=np.random.default_rng(seed))
    out = np.zeros(mask.shape, int)
    out[:, 1:][valid] = labels
    out[:, 0] = out[:, 1]
    return out


def hard_modes(labels: Int[Any, "B T"], mask: Any, n_modes: int) -> Modes:
    """All belief on the given labels."""
    single = np.eye(n_modes)[labels] * mask[..., None]
    return Modes(single, np.einsum("bti,btk->ik", single[:, :-1], single[:, 1:]))


def occupancy(modes: Modes | Belief) -> Float[Any, " K"]:
    """Expected steps (t ≥ 1) in each mode."""
    return np.asarray(modes.single)[:, 1:].sum(axis=(0, 1))


def run_arhmm(
    params: Params, data: Data, prior: Prior, spec: Spec, n_iterations: int, tolerance: float
) -> tuple[Params, Modes, list[float]]:
    """EM until the objective gains less than `tolerance` per step in two iterations running."""
    trace: list[float] = []
    steps, calm = float(np.sum(data.mask)), 0
    modes = None
    for _ in range(n_iterations):
        out = arhmm.em_step(params, data, prior, spec.structure)
        objective = float(out.objective)
        if not np.isfinite(objective):
            break
        modes, calm = out.modes, calm + 1 if trace and objective - trace[-1] < tolerance * steps else 0
        trace.append(objective)
        if calm >= 2:
            break
        params = out.params
    if modes is None:
        modes, _ = arhmm.e_step(params, data)
    return params, modes, trace


def reseed_empty(params: Params, modes: Modes, data: Data) -> tuple[Modes, int]:
    """Gives each empty mode a share of the steps that all modes explain worst; how many were empty.

    A mode is empty with fewer expected steps than one equation has coefficients.
    """
    k, each = params.linear.b.shape[0], params.linear.a.shape[1] + data.u.shape[2] + 1
    empty = np.flatnonzero(occupancy(modes) < each)
    if not len(empty):
        return modes, 0
    log_lik = np.asarray(arhmm.potentials(params, data).log_lik).max(axis=2)
    log_lik[(data.mask == 0)] = np.inf
    log_lik[:, 0] = np.inf
    labels = np.asarray(modes.single).argmax(axis=2)
    share = max(2 * each, int(data.mask.sum()) // (2 * k))
    worst = np.argsort(log_lik.ravel(), kind="stable")[: share * len(empty)]
    flat = labels.ravel()
    flat[worst] = np.repeat(empty, share)[: len(worst)]
    return hard_modes(flat.reshape(labels.shape), data.mask, k), len(empty)


def start_modes(
    spec: Spec, x: Float[Any, "B T D"], data: Data, seed: int, variant: int, n_iterations: int
) -> tuple[Params, int]:
    """Parameters on given states: clusters → sticky ARHMM (reseeding empty modes) → target ARHMM.

    The second value is how many modes were reseeded. Emissions are left as the identity. Where the states are
    known, the last stage is left to the fit itself, which is the same EM.
    """
    known = Data(x, data.u, data.mask)
    target = known_states(spec)
    sticky = dataclasses.replace(target, transitions="sticky", gate_inputs=False)
    # Whatever the target's gate reads, this much is the same.
    modes, reseeded = once(_sticky_modes, sticky, known, seed, variant, n_iterations)
    prior, blank = make_prior(target, known, x), arhmm.blank_params(target, x.shape[2], data.u.shape[2])
    params = arhmm.m_step(blank, modes, known, prior, target.structure, 10)
    n_target = 0 if spec.emissions == "identity" else n_iterations
    params, _, _ = run_arhmm(params, known, prior, target, n_target, 1e-4)
    return params, reseeded


def _sticky_modes(sticky: Spec, known: Data, seed: int, variant: int, n_iterations: int) -> tuple[Modes, int]:
    """Modes on known states: clusters, then a sticky ARHMM whose empty modes are reseeded; how many were."""
    x, k = known.y, sticky.n_modes
    modes = hard_modes(cluster_modes(x, known.mask, k, seed, variant), known.mask, k)
    prior, blank = make_prior(sticky, known, x), arhmm.blank_params(sticky, x.shape[2], known.u.shape[2])
    reseeded = 0
    for _ in range(3 if k > 1 else 0):
        params = arhmm.m_step(blank, modes, known, prior, sticky.structure, 5)
        params, modes, _ = run_arhmm(params, known, prior, sticky, n_iterations, 1e-4)
        modes, n_empty = reseed_empty(params, modes, known)
        reseeded += n_empty
        if not n_empty:
            break
    return modes, reseeded
