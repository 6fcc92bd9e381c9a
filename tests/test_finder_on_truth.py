"""The numerical fixed-point search against networks whose fixed points are known in closed form.

The demand: precision and recall 1 at ε = 1e-3 RMS radii on every isolated fixed point, and a Chamfer distance
of at most 1e-2 RMS radii on the line and the ring, by `fixed_points` as the suite `truth` has it. The search
that makes the reference for networks without a truth has random starts, fewer of them, and so covers a
continuum less finely; of isolated points it must find every one, and know it.
"""

import dataclasses

import pytest

from jslds_bench.metrics.fixed_points import FixedPointChamfer, precision_and_recall
from jslds_bench.metrics.spectra import EigenvalueError
from jslds_bench.models.fixed_points import FixedPointModel
from jslds_bench.networks.analytic import LEAST, Analytic
from jslds_bench.settings.draws import purpose_key
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.suite import load_suite
from jslds_bench.tasks.perturbations import Perturbations

TASK = Perturbations(n_contexts=0)
(ENTRY,) = (model for model in load_suite("truth").models if model.label == "fixed_points")
CONTINUA = ("line", "ring")
QUICK = [("flip_flop", 0), ("ring", 0)]
ALL = [(system, seed) for system in LEAST for seed in (0, 1, 2, 3)]


def evaluated(system, seed):
    """The network, and the model's evaluation against its truth."""
    network = Analytic(system).build(TASK, purpose_key(seed, "network"))
    model = FixedPointModel(**ENTRY.parameters).fit(
        TASK, network, ev.draw_trials(TASK, seed, "fit", ev.N_FIT_TRIALS), purpose_key(seed, "model")
    )
    trials = ev.draw_trials(TASK, seed, "evaluation", 256)
    reference = ev.reference_points(TASK, network, seed)
    assert [len(r.points) for r in reference] == [len(t.points) for t in network.truth]
    return network, ev.evaluate(TASK, network, model, trials, reference, seed)


def check(system, made, within):
    precision, recall = precision_and_recall(made, 1e-3)
    values = (*precision, *recall, FixedPointChamfer().compute(made))
    print(system, *(f"{value:.3g}" for value in values))
    if system in CONTINUA:
        assert values[2] <= within
    else:
        assert values[:2] == (1.0, 1.0)
        assert values[2] < 1e-6


@pytest.mark.parametrize(
    ("system", "seed"),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in ALL if case not in QUICK)],
)
def test_the_model_finds_the_truth(system, seed):
    _, made = evaluated(system, seed)
    check(system, made, within=1e-2)
    assert EigenvalueError().compute(made) < 1e-4


@pytest.mark.parametrize(
    ("system", "seed"),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in ALL if case not in QUICK)],
)
def test_the_reference_search_finds_the_truth_and_knows_it(system, seed):
    network, made = evaluated(system, seed)
    search = ev.reference_points(TASK, dataclasses.replace(network, truth=None), seed)
    assert all(found.n_candidates for found in search)  # it was a search
    check(system, dataclasses.replace(made, found=[found.points for found in search]), within=3e-2)
    for found, truth in zip(search, network.truth, strict=True):
        if system in CONTINUA:
            assert found.completeness is None  # as many points as one looks for
        else:
            assert found.completeness == pytest.approx(len(found.points) / len(truth.points), abs=0.05)
