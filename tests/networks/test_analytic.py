"""Analytic networks: what they say of themselves against autodiff, NumPy and plain iteration, in float64."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from jslds_bench.dynamics.rollout import trajectories
from jslds_bench.dynamics.spectrum import matched_distance
from jslds_bench.errors import UsageError
from jslds_bench.networks import analytic
from jslds_bench.networks._shared.format import network_bytes, read_network
from jslds_bench.networks._shared.normal_forms import mixing
from jslds_bench.networks._shared.populations import Populations, fixed_points_of_unit
from jslds_bench.networks.analytic import LEAST, Analytic
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.tasks.context_integration import ContextIntegration
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.tasks.perturbations import Perturbations

TASKS = {
    "perturbations": Perturbations(),
    "no context": Perturbations(n_contexts=0),
    "memory": NBitMemory(n_bits=1),
    "integration": ContextIntegration(),
}
ISOLATED = {"affine": [0], "bistable": [0, 0, 1], "cycle": [2], "low_rank": [0, 0, 1]}
ISOLATED["flip_flop"] = [0, 0, 0, 0, 1, 1, 1, 1, 2]


@pytest.fixture(scope="module", params=LEAST)
def system(request):
    return request.param


def build(system, task="perturbations", seed=0, **parameters):
    return Analytic(system, **parameters).build(TASKS[task], jax.random.key(seed))


def in_float64(network):
    """F and ∂F/∂h by autodiff at the network's own float32 parameters, in float64."""
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), network.params)

    def step(h, u):
        with jax.enable_x64(True):
            return np.asarray(network.cell.step(params, jnp.asarray(h), jnp.asarray(u)))

    def jacobian(h, u):
        with jax.enable_x64(True):
            return np.asarray(
                jax.vmap(jax.jacfwd(lambda x: network.cell.step(params, x, jnp.asarray(u))))(jnp.asarray(h))
            )

    return step, jacobian


@pytest.mark.parametrize(
    ("task", "size"), [("perturbations", "least"), ("perturbations", 16), ("memory", 7), ("integration", 16)]
)
def test_every_point_of_the_truth_is_fixed_and_has_the_spectrum_it_says(system, task, size):
    network = build(system, task, n_state=LEAST[system] if size == "least" else size)
    step, jacobian = in_float64(network)
    assert len(network.truth) == len(TASKS[task].expansion_inputs())
    for truth, u_star in zip(network.truth, np.asarray(TASKS[task].expansion_inputs()), strict=True):
        np.testing.assert_array_equal(truth.u_star, u_star)
        u = np.asarray(u_star, np.float64)
        np.testing.assert_allclose(step(truth.points, u), truth.points, rtol=0, atol=1e-12)
        some = slice(None, None, max(1, len(truth.points) // 16))
        for values, j in zip(truth.eigenvalues[some], jacobian(truth.points[some], u), strict=True):
            assert matched_distance(values, np.linalg.eigvals(j)) < 1e-8
            assert (np.diff(np.abs(values)) <= 0).all()
        assert sorted(truth.n_unstable) == ISOLATED.get(system, sorted(truth.n_unstable))


def closed_form_jacobian(form, h, u):
    """∂F/∂h at any (h, u), column convention: of populations, and of a portrait in its frame."""
    if isinstance(form, Populations):
        (stage,) = form.stages()
        return (1 - np.tanh(h @ stage.w + u @ stage.v) ** 2)[:, None] * stage.w.T
    linear, gain, square, *_ = form.portrait
    y = h @ form.frame - form.centre - u @ form.shift
    inner = np.diag(gain + y**2 @ square) + 2 * np.outer(y, y) * square
    return (form.frame @ inner @ linear @ form.frame.T).T


def test_the_closed_form_jacobian_is_that_of_autodiff_anywhere(system, monkeypatch):
    made, inner = [], analytic._network
    monkeypatch.setattr(
        analytic, "_network", lambda cell, form, *rest: made.append(form) or inner(cell, form, *rest)
    )
    network = build(system)
    _, jacobian = in_float64(network)
    rng = np.random.default_rng(0)
    u = rng.normal(size=network.n_inputs)
    for h in 0.5 * rng.normal(size=(5, network.n_state)):
        np.testing.assert_allclose(closed_form_jacobian(made[0], h, u), jacobian(h[None], u)[0], atol=1e-6)
        u_exact = np.round(u * 16) / 16
        exact = closed_form_jacobian(made[0], h, u_exact)
        np.testing.assert_allclose(exact, jacobian(h[None], u_exact)[0], atol=1e-12)


def roots_by_grid(w, c):
    x = np.linspace(-1, 1, 100_003)
    gap = np.tanh(w * x + c) - x
    return [
        scipy.optimize.brentq(lambda y: np.tanh(w * y + c) - y, x[i], x[i + 1], xtol=1e-15)
        for i in np.flatnonzero(gap[:-1] * gap[1:] < 0)
    ]


@pytest.mark.parametrize("w", [-1.2, 0.0, 0.5, 1.0, 1.5, 4.0])
@pytest.mark.parametrize("c", [0.013, 0.1, -0.1, 0.3, -2.0, 9.0])
def test_all_roots_of_a_unit_are_found(w, c):
    np.testing.assert_allclose(fixed_points_of_unit(w, c), roots_by_grid(w, c), atol=1e-13)


def test_no_fixed_point_of_the_populations_is_missing():
    """Newton from a thousand states over the cube ends at points of the truth alone, and at all of them."""
    for system in ("bistable", "flip_flop", "low_rank"):
        network = build(system, n_state=3)
        step, jacobian = in_float64(network)
        for truth in network.truth:
            h, u = np.random.default_rng(1).uniform(-1, 1, (1000, 3)), np.asarray(truth.u_star, np.float64)
            for _ in range(60):
                h = h - np.linalg.solve(jacobian(h, u) - np.eye(3), (step(h, u) - h)[..., None])[..., 0]
                h = np.clip(h, -2, 2)
            h = h[np.abs(step(h, u) - h).max(axis=1) < 1e-10]
            gaps = np.linalg.norm(h[:, None] - truth.points[None], axis=-1)
            assert gaps.min(axis=1).max() < 1e-8
            assert gaps.min(axis=0).max() < 1e-8


def test_a_bistable_unit_of_one_unit_is_the_scalar_map():
    network = build("bistable", "no context", n_state=1)
    w = float(network.params[0].w[0, 0])
    assert w == 1.5
    (truth,) = network.truth
    h = 1.0
    for _ in range(300):
        h = np.tanh(w * h)
    np.testing.assert_allclose(np.sort(truth.points[:, 0]), [-h, 0, h], atol=1e-14)
    np.testing.assert_allclose(np.sort(truth.eigenvalues[:, 0].real), [w * (1 - h**2)] * 2 + [w], atol=1e-13)


def test_a_line_holds_what_is_kicked_along_it_and_its_readout_says_how_much():
    task, network = TASKS["perturbations"], build("line")
    trials = ev.draw_trials(task, 3, "evaluation", 30)
    states = trajectories(network, trials.inputs)
    outputs = np.asarray(network.readout(states[:, 1:]))
    np.testing.assert_allclose(outputs[..., 0], trials.targets[..., 0], atol=1e-5)
    for truth in network.truth:
        spans = np.ptp(truth.points, axis=0)
        assert np.linalg.norm(spans) == pytest.approx(2, abs=0.02)  # levels of [−1, 1] are held


@pytest.mark.parametrize("system", ["ring", "cycle"])
def test_a_circle_of_radius_one_attracts_and_the_ring_alone_stands_still(system):
    network = build(system)
    step, _ = in_float64(network)
    truth = network.truth[1]
    source, u = truth.points[0], np.asarray(truth.u_star, np.float64)
    if system == "ring":
        np.testing.assert_allclose(np.linalg.norm(truth.points[1:] - source, axis=1), 1, atol=1e-12)
    near = source + 1e-3 * (np.asarray(network.h0, np.float64) - source)
    h, before = near, near
    for _ in range(300):
        before, h = h, step(h, u)
    assert np.linalg.norm(h - source) == pytest.approx(1, abs=1e-2)
    moved = np.linalg.norm(h - before)
    assert moved < 1e-9 if system == "ring" else moved > 0.5


@pytest.mark.parametrize("n", [1, 3, 4, 6, 16, 33])
def test_frames_are_orthogonal_exactly_and_mixed(n):
    q = mixing(n, np.random.default_rng(0))
    np.testing.assert_array_equal(q @ q.T, np.eye(n))
    np.testing.assert_array_equal(q * 8, np.round(q * 8))
    if n >= 16:
        assert np.abs(q).max() < 1


def test_the_seed_places_the_system(system):
    one, same, other = (build(system, seed=s) for s in (0, 0, 1))
    assert network_bytes(one) == network_bytes(same)
    assert network_bytes(one) != network_bytes(other)


def test_the_truth_survives_the_file_and_is_what_models_are_scored_against(system, tmp_path):
    network, path = build(system), tmp_path / "network.npz"
    path.write_bytes(network_bytes(network))
    back = read_network(path)
    assert network_bytes(back) == network_bytes(network)
    reference = ev.reference_points(TASKS["perturbations"], back, 0)
    for got, expected in zip(reference, network.truth, strict=True):
        for x, y in zip(got, expected, strict=True):
            np.testing.assert_array_equal(x, y)
            assert np.asarray(x).dtype == np.asarray(y).dtype
    plain = dataclasses.replace(network, truth=None)
    path.write_bytes(network_bytes(plain))
    assert read_network(path).truth is None


@pytest.mark.parametrize(
    ("about", "arrays", "said"),
    [
        ({"n_truth": -1}, {}, "n_truth -1, expected a small number"),
        ({"n_truth": 3}, {}, "lacks the array 'truth2.points'"),
        ({}, {"truth0.points": np.zeros((3, 16), np.float32)}, "truth0 has arrays of other types"),
        ({}, {"truth1.points": np.zeros((3, 5))}, r"truth 1 points has shape \(3, 5\)"),
        (
            {},
            {"truth1.eigenvalues": np.full((3, 16), np.nan + 0j)},
            "truth 1 eigenvalues holds numbers that are",
        ),
    ],
)
def test_a_truth_that_does_not_fit_is_refused(about, arrays, said, tmp_path):
    path = tmp_path / "network.npz"
    path.write_bytes(network_bytes(build("bistable")))
    with np.load(path) as archive:
        content = {name: archive[name] for name in archive.files} | arrays
    content["about"] = np.array(json.dumps(json.loads(str(content["about"])) | about))
    np.savez(path, **content)
    with pytest.raises(UsageError, match=said):
        read_network(path)


def test_the_truth_of_another_task_s_inputs_is_not_taken_for_this_one_s():
    network = build("bistable", "no context")
    task = dataclasses.replace(TASKS["no context"], n_steps=5)
    assert ev.reference_points(task, network, 0)[0].n_candidates == 0
    moved = network.truth[0]._replace(u_star=network.truth[0].u_star + 1)
    assert ev.reference_points(task, dataclasses.replace(network, truth=(moved,)), 0)[0].n_candidates > 0


def test_sizes_and_tasks_that_cannot_be_are_refused(system):
    with pytest.raises(UsageError, match=f"n_state is {LEAST[system] - 1}, expected at least"):
        Analytic(system, n_state=LEAST[system] - 1)
    task = dataclasses.replace(TASKS["perturbations"])
    object.__setattr__(task, "expansion_inputs", lambda: np.ones((1, 4)))
    with pytest.raises(UsageError, match="inputs that are 0 in every"):
        Analytic(system).build(task, jax.random.key(0))
