"""The authors' released weights on fresh trials, against the figures of their notebook and of our own runs.

Relative errors are means over 1,024 trials of ‖ĥ_t − h_t‖/‖h_t‖. The project's metrics begin with the step
from h_0 to h_1. The authors keep h_1 … h_T only, so their figures for the classical way begin with the step
from h_1 to h_2. The standard network's first step is its worst, 0.63 one step ahead: counting it makes 0.282
of 0.267. Both are asserted here, each for what it is.
"""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from jslds_bench.dynamics.jslds import co_rollout
from jslds_bench.dynamics.linearize import jacobians
from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.metrics.complexity import NSystemsEffective, effective_number
from jslds_bench.metrics.states import (
    RelativeError,
    RelativeErrorFromH1,
    RelativeErrorOneStep,
    RelativeErrorOneStepFromH1,
)
from jslds_bench.metrics.tasks import TaskErrorModel, TaskErrorNetwork
from jslds_bench.models.codebook import CodebookModel
from jslds_bench.models.fixed_points import FixedPointModel
from jslds_bench.models.jslds import JSLDS
from jslds_bench.models.persistence import Persistence
from jslds_bench.models.taylor_at_state import TaylorAtState
from jslds_bench.networks.checkpoint import Checkpoint
from jslds_bench.report.data.arrays import check_arrays
from jslds_bench.report.settings.networks import SHAPES
from jslds_bench.reproduce.findings import find
from jslds_bench.settings.draws import purpose_key
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.settings.networks.arrays import figure_arrays
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types.core import FixedPoints

TASK = NBitMemory()
SEED = 0
MODELS = {
    "jslds": JSLDS(),
    "fixed_points": FixedPointModel(),
    "fixed_points_blind": FixedPointModel(from_expansion=False),
    "fixed_points_actual": FixedPointModel(expand_input="actual"),
    "codebook": CodebookModel(n_centres=(16,)),
    "taylor_at_state": TaylorAtState(),
    "persistence": Persistence(),
}


@pytest.fixture(scope="module")
def trials():
    return ev.draw_trials(TASK, SEED, "evaluation", 1024)


@pytest.fixture(scope="module")
def networks(data_folder):
    made = {}
    for name in ("cotrained", "standard"):
        file = data_folder / f"jslds_public_nbit_{name}.npz"
        if not file.exists():
            pytest.skip(f"no {file}")
        made[name] = Checkpoint(str(file)).build(TASK, jax.random.key(0))
    return made


@pytest.fixture(scope="module")
def fitted(networks):
    """(model, network) → the fitted model, fitted once."""
    trials = ev.draw_trials(TASK, SEED, "fit", ev.N_FIT_TRIALS)

    @functools.cache
    def get(model, network):
        return MODELS[model].fit(TASK, networks[network], trials, purpose_key(SEED, "model"))

    return get


@pytest.fixture(scope="module")
def evaluated(networks, trials, fitted):
    """(model, network) → its evaluation, without the network's own fixed points."""

    @functools.cache
    def get(model, network):
        return ev.evaluate(TASK, networks[network], fitted(model, network), trials, [], SEED)

    return get


@pytest.mark.parametrize(
    ("model", "network", "expected", "within"),
    [
        ("fixed_points", "standard", 0.264, 0.01),  # 0.268 in the notebook
        ("fixed_points", "cotrained", 0.058, 0.005),
        ("taylor_at_state", "standard", 0.21, 0.005),
        ("taylor_at_state", "cotrained", 0.117, 0.002),
        ("persistence", "standard", 0.44, 0.005),
        ("persistence", "cotrained", 0.58, 0.01),
    ],
)
def test_one_step_from_visited_states(model, network, expected, within, evaluated):
    """The authors' steps: t = 2 … T, each predicted from the network's own h_{t−1}."""
    found = RelativeErrorOneStepFromH1().compute(evaluated(model, network))
    assert found == pytest.approx(expected, abs=within)


@pytest.mark.parametrize(
    ("model", "network", "metric", "expected", "within"),
    [
        ("jslds", "cotrained", RelativeError(), 0.0467, 0.001),  # 0.0465 in the notebook
        ("fixed_points", "standard", RelativeErrorOneStep(), 0.282, 0.005),
        ("fixed_points", "standard", RelativeError(), 0.57, 0.02),
        ("fixed_points", "cotrained", RelativeErrorOneStep(), 0.055, 0.004),
        ("fixed_points", "cotrained", RelativeError(), 0.103, 0.01),
        ("taylor_at_state", "standard", RelativeErrorOneStep(), 0.220, 0.003),
        ("persistence", "standard", RelativeErrorOneStep(), 0.464, 0.003),
        ("fixed_points", "standard", RelativeErrorFromH1(), 0.555, 0.02),
        ("fixed_points", "cotrained", RelativeErrorFromH1(), 0.121, 0.02),
    ],
)
def test_the_project_s_metrics_from_the_initial_state_on(model, network, metric, expected, within, evaluated):
    assert metric.compute(evaluated(model, network)) == pytest.approx(expected, abs=within)


@pytest.mark.parametrize(
    ("model", "most"), [("fixed_points_actual", 0.15), ("codebook", 0.07)]
)  # audited: 0.105 and 0.021
def test_what_expanding_about_the_input_of_the_moment_is_worth(model, most, evaluated):
    assert RelativeError().compute(evaluated(model, "standard")) <= most


def test_what_a_codebook_costs(evaluated):
    """8 systems describe the co-trained network, hundreds the standard one."""
    few, many = (
        NSystemsEffective().compute(evaluated(*which))
        for which in (("jslds", "cotrained"), ("codebook", "standard"))
    )
    assert few == pytest.approx(8, abs=1)
    assert 200 < many <= 16 * 27


def test_how_many_systems_a_jslds_has_depends_on_how_different_two_must_be(evaluated):
    """docs/fairness.md: 8 at 0.05 and 0.1, 35 at 0.02, 1,380 at 0.01; given points do not."""
    numbers = {}
    for model in ("jslds", "fixed_points", "codebook"):
        used = evaluated(model, "cotrained").in_force
        numbers[model] = dict(zip(used.apart, map(effective_number, used.labels), strict=True))
    print({model: {k: round(n, 2) for k, n in of.items()} for model, of in numbers.items()})
    pair = numbers.pop("jslds")
    assert [pair[apart] for apart in (0.1, 0.05)] == pytest.approx([8, 8], abs=0.5)
    assert pair[0.02] == pytest.approx(35, abs=2)
    assert pair[0.01] == pytest.approx(1380, rel=0.05)
    for of in numbers.values():
        assert of[0.01] == pytest.approx(of[0.02], rel=0.02)


def test_task_errors(evaluated):
    """The notebook's, one held-out batch each; ours vary by a tenth from draw to draw."""
    assert TaskErrorNetwork().compute(evaluated("jslds", "cotrained")) == pytest.approx(2.9e-4, rel=0.1)
    assert TaskErrorModel().compute(evaluated("jslds", "cotrained")) == pytest.approx(2.05e-4, rel=0.1)
    assert TaskErrorNetwork().compute(evaluated("persistence", "standard")) == pytest.approx(4.1e-4, rel=0.1)


@pytest.fixture(scope="module")
def states(networks, trials):
    network = networks["cotrained"]
    h0 = np.broadcast_to(network.h0, (1024, network.n_state))
    run = jax.jit(co_rollout, static_argnums=0)
    return run(network.cell, network.params, network.expansion, h0, trials.inputs, trials.u_star)


def test_expansion_points_are_nearly_fixed(states):
    """mean((F(e*) − e*)²) over trials, steps and units."""
    assert float(np.mean((states.f_e - states.e) ** 2)) == pytest.approx(3.9e-6, rel=0.1)


def test_the_spectrum_at_an_expansion_point(states, networks):
    """Largest eigenvalues by magnitude, as printed in the notebook for one of the eight points."""
    network = networks["cotrained"]
    corner = np.sign(np.asarray(network.readout(states.e[:, -1])))
    e = np.stack(
        [
            np.asarray(states.e[:, -1])[(corner == c).all(axis=1)].mean(axis=0)
            for c in np.unique(corner, axis=0)
        ]
    )
    values = np.abs(
        eigenvalues(jacobians(network.cell, network.params, e, np.zeros((len(e), 6), np.float32)))
    )
    assert len(values) == 8
    gaps = np.abs(values[:, :5] - [1.017, 0.9997, 0.942, 0.897, 0.814]).max(axis=1)
    assert gaps.min() < 0.02


@pytest.fixture(scope="module")
def found(networks, evaluated, fitted):
    """(model, network) → the figure arrays of its record, as the scorecard reads them."""

    @functools.cache
    def get(model, network):
        at = fitted(model, network), evaluated(model, network)
        at = at[0], dataclasses.replace(at[1], reference=_some_point(networks[network]))
        return check_arrays(figure_arrays(TASK, networks[network], *at), SHAPES)

    return get


def _some_point(network):
    """Stands for the network's own points, which are not looked at here."""
    point, u_star = np.zeros((1, network.n_state)), np.zeros(network.n_inputs)
    return [FixedPoints(point, np.zeros(1), point + 0j, np.zeros(1, int), u_star, 1, 0)]


@pytest.mark.parametrize(
    ("name", "model", "network", "low", "high"),
    [
        ("expansion_clusters", "jslds", "cotrained", 8, 8),  # "8 marginally stable fixed points"
        ("signs_met", "jslds", "cotrained", 0.99, 1),
        ("state_gap", "jslds", "cotrained", 0.9, 0.93),
        ("near_one", "jslds", "cotrained", 1.5, 3),  # "typically 2-3 eigenvalues within .025"
        ("flip_contrast", "jslds", "cotrained", 5, 9),  # A.3.2
        ("near_one", "fixed_points", "standard", 0, 0),
        ("expansion_clusters", "fixed_points", "standard", 9, 27),
    ],
)
def test_what_the_paper_says_of_its_networks_is_found_in_them(found, name, model, network, low, high):
    value, why = find(name, found(model, network))
    assert low <= value <= high, why


def test_expansion_points_are_those_of_a_search_in_the_authors_network_too(found):
    value, why = find("expansion_gap", found("jslds", "cotrained"), found("fixed_points", "cotrained"))
    assert value == pytest.approx(0.05, abs=0.01), why
    # Also of one that does not start at them: it is no finding of the search's own.
    value, why = find("expansion_gap", found("jslds", "cotrained"), found("fixed_points_blind", "cotrained"))
    assert value == pytest.approx(0.07, abs=0.02), why
