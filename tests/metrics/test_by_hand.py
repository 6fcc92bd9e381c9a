"""Every metric's formula on numbers small enough to do by hand."""

import dataclasses
import math

import numpy as np
import pytest

from jslds_bench.errors import Unsupported
from jslds_bench.metrics import fixed_points, spectra, states, tasks
from jslds_bench.types import Evaluation, FixedPoints, Readout, Trials


def points(array, eigenvalues=None) -> FixedPoints:
    array = np.array(array, float)
    eigenvalues = np.zeros(array.shape, complex) if eigenvalues is None else np.array(eigenvalues, complex)
    zeros = np.zeros(len(array))
    return FixedPoints(array, zeros, eigenvalues, zeros.astype(int), np.zeros(1), len(array), 0, 1.0)


@pytest.fixture
def evaluation() -> Evaluation:
    """One trial in the plane, three steps along an axis: h = (1, 0), (2, 0), (4, 0), (2, 0)."""
    h = np.array([[[1.0, 0], [2, 0], [4, 0], [2, 0]]])
    run = np.array([[[1.0, 0], [2, 1], [4, 2], [2, 0]]])
    return Evaluation(
        trials=Trials(
            np.zeros((1, 3, 1)), np.array([[[9.0], [4], [1]]]), np.array([0.0, 1, 1]), np.zeros((1, 1))
        ),
        readout=Readout(np.array([[1.0], [0]]), np.array([0.0])),
        states=h,
        free_run=run,
        one_step=run[:, 1:],
        u_stars=np.zeros((1, 1)),
        found=[np.array([[0.0, 0], [0, 3]])],
        found_q=[np.array([1e-4, 3e-4])],
        reference=[points([[0, 0], [1, 0], [0, 2]], [[1, 0.5], [0.9, 0], [0.8, 0.1]])],
        jacobians=np.array([np.eye(2), np.eye(2)]),
        jacobians_at_local=np.array([np.diag([1.0, 0.5]), np.diag([0.9, 0.2])]),
        local=np.array([np.diag([1.0, 0.4]), np.diag([0.9, 0.2])]),
        local_e=np.array([[0.05, 0.0], [0.0, 1.95]]),
        sample_u_star=np.array([0, 0]),
    )


def test_relative_errors(evaluation):
    assert states.RelativeError().compute(evaluation) == pytest.approx((1 / 2 + 2 / 4 + 0) / 3)
    assert states.RelativeErrorOneStep().compute(evaluation) == pytest.approx(1 / 3)


def test_skill_against_staying_put(evaluation):
    assert states.Skill().compute(evaluation) == pytest.approx(1 - 5 / (1 + 9 + 1))
    assert states.SkillOneStep().compute(evaluation) == pytest.approx(1 - 5 / (1 + 4 + 4))


def test_nrmse_against_the_mean_state(evaluation):
    scatter = (2 - 8 / 3) ** 2 + (4 - 8 / 3) ** 2 + (2 - 8 / 3) ** 2
    assert states.spread(evaluation.states) == pytest.approx((scatter / 3) ** 0.5)
    assert states.NRMSE().compute(evaluation) == pytest.approx((5 / scatter) ** 0.5)


def test_valid_prediction_time_stops_at_the_first_excess(evaluation):
    """The spread is 0.94, so 0.4 of it is 0.377; an error that comes back does not count again."""
    metric = states.ValidPredictionTime()
    assert metric.compute(evaluation) == 0
    run = evaluation.states.copy()
    run[0, 2, 1] = 0.38
    assert metric.compute(dataclasses.replace(evaluation, free_run=run)) == 1
    run[0, 2, 1] = 0.37
    assert metric.compute(dataclasses.replace(evaluation, free_run=run)) == 3
    run[0, 3] = np.nan
    assert metric.compute(dataclasses.replace(evaluation, free_run=run)) == 2


def test_task_errors_count_scored_steps(evaluation):
    """Outputs 2, 4, 2 against targets 9, 4, 1 with the first step left out."""
    assert tasks.TaskErrorNetwork().compute(evaluation) == pytest.approx((0 + 1) / 2)
    assert tasks.TaskErrorModel().compute(evaluation) == pytest.approx((0 + 1) / 2)
    run = evaluation.free_run.copy()
    run[0, 1] = np.nan  # an unscored step
    assert tasks.TaskErrorModel().compute(dataclasses.replace(evaluation, free_run=run)) == pytest.approx(0.5)
    run[0, 2] = np.nan
    assert tasks.TaskErrorModel().compute(dataclasses.replace(evaluation, free_run=run)) == math.inf


def test_fixed_points(evaluation):
    """Found (0,0), (0,3); true (0,0), (1,0), (0,2); the radius is 0.943, so ε is 0.094."""
    radius = states.spread(evaluation.states)
    assert fixed_points.FixedPointSpeed().compute(evaluation) == pytest.approx(2e-4)
    assert fixed_points.FixedPointPrecision().compute(evaluation) == pytest.approx(1 / 2)
    assert fixed_points.FixedPointRecall().compute(evaluation) == pytest.approx(1 / 3)
    chamfer = ((0 + 1) / 2 + (0 + 1 + 1) / 3) / 2 / radius
    assert fixed_points.FixedPointChamfer().compute(evaluation) == pytest.approx(chamfer)
    assert fixed_points.precision_and_recall(evaluation, 0.1, 1.1 / radius) == ([1 / 2, 1], [1 / 3, 1])


def test_spectra(evaluation):
    """Sample 0 expands about (0.05, 0) near (0,0), spectrum {1, .5}, sample 1 near (0,2) with {.8, .1}."""
    expected = ((0 + 0.1) / 2 + (0.1 + 0.1) / 2) / 2
    assert spectra.EigenvalueError().compute(evaluation) == pytest.approx(expected)
    assert spectra.EigenvalueUnmatched().compute(evaluation) == 0
    error = (0.6 + (0.1**2 + 0.8**2) ** 0.5) / 2 / 2**0.5
    assert spectra.JacobianErrorActual().compute(evaluation) == pytest.approx(error)
    assert spectra.JacobianError().compute(evaluation) == pytest.approx(0.1 / 1.25**0.5 / 2)


def test_the_right_spectrum_in_a_wrong_place_is_forgiven_nothing(evaluation):
    """Points match within 0.1 RMS radii, 0.094: others are counted, and left out of the error."""
    away = dataclasses.replace(evaluation, local_e=np.array([[0.05, 0.0], [0.0, 1.5]]))
    assert spectra.EigenvalueError().compute(away) == pytest.approx(0.05)
    assert spectra.EigenvalueUnmatched().compute(away) == 0.5
    nowhere = dataclasses.replace(evaluation, local_e=np.array([[0.5, 0.0], [0.0, 1.5]]))
    with pytest.raises(Unsupported, match="no sampled expansion point"):
        spectra.EigenvalueError().compute(nowhere)
    assert spectra.EigenvalueUnmatched().compute(nowhere) == 1
    lost = dataclasses.replace(evaluation, local_e=np.array([[0.05, 0.0], [np.nan, 1.9]]))
    assert spectra.EigenvalueError().compute(lost) == math.inf
    assert spectra.EigenvalueUnmatched().compute(lost) == 0.5


def test_every_u_star_weighs_alike(evaluation):
    """Under a second u* both have one point, the same: pooled over u* the shares would be 2/3 and 2/4."""
    two = dataclasses.replace(
        evaluation,
        u_stars=np.array([[0.0], [1]]),
        found=[*evaluation.found, np.array([[5.0, 5]])],
        reference=[*evaluation.reference, points([[5, 5]])],
    )
    assert fixed_points.FixedPointPrecision().compute(two) == pytest.approx((1 / 2 + 1) / 2)
    assert fixed_points.FixedPointRecall().compute(two) == pytest.approx((1 / 3 + 1) / 2)
    chamfer = fixed_points.FixedPointChamfer().compute(evaluation)
    assert fixed_points.FixedPointChamfer().compute(two) == pytest.approx(chamfer / 2)


def test_a_share_of_a_continuum_is_not_counted(evaluation):
    """A reference that no completeness is estimated for has distances, and no recall."""
    partly = dataclasses.replace(evaluation, reference=[evaluation.reference[0]._replace(completeness=0.75)])
    assert fixed_points.ReferenceCompleteness().compute(partly) == 0.75
    assert fixed_points.FixedPointRecall().compute(partly) == pytest.approx(1 / 3)
    none = dataclasses.replace(evaluation, reference=[evaluation.reference[0]._replace(completeness=None)])
    for metric in (fixed_points.FixedPointPrecision(), fixed_points.FixedPointRecall()):
        with pytest.raises(Unsupported, match="continuum"):
            metric.compute(none)
    with pytest.raises(Unsupported, match="continuum"):
        fixed_points.ReferenceCompleteness().compute(none)
    chamfer = fixed_points.FixedPointChamfer()
    assert chamfer.compute(none) == chamfer.compute(evaluation)


def test_where_nothing_moves_nothing_divides_by_zero(evaluation):
    """A network that sits still at the origin: right is right, wrong is infinitely wrong, never an error."""
    still = np.zeros_like(evaluation.states)
    right = dataclasses.replace(evaluation, states=still, free_run=still, one_step=still[:, 1:])
    wrong = dataclasses.replace(right, free_run=still + 1, one_step=still[:, 1:] + 1)
    for metric in (states.RelativeError(), states.RelativeErrorOneStep(), states.NRMSE()):
        assert metric.compute(right) == 0
        assert metric.compute(wrong) == math.inf
    for metric in (states.Skill(), states.SkillOneStep()):
        assert metric.compute(right) == 1
        assert metric.compute(wrong) == -math.inf
