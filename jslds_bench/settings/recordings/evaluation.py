"""One model fitted to a recording: everything that its metrics and figures read, as host arrays.

Pure of files and clocks, like `evaluation`. The trials of a (task, seed) are drawn here, the same for all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jslds_bench.settings.draws import read_only
from jslds_bench.settings.networks.arrays import N_EXAMPLES, grid, small
from jslds_bench.switching.scoring import match_modes
from jslds_bench.types.recordings import (
    Explanation,
    RecordedEvaluation,
    RecordedModel,
    Recording,
)

HORIZON = 25
"""Steps of a forecast."""
MOST_SHOWN = 500  # steps of an example trial that figures get


def shown(recording: Recording) -> Recording:
    """What a model may see of trials, in arrays of their own: no truth about their origin."""
    observations, inputs = read_only((recording.observations, recording.inputs))
    return Recording(observations, inputs, recording.emissions)


def evaluate_recorded(model: RecordedModel, fit: Recording, held_out: Recording) -> RecordedEvaluation:
    """`model` on what it was fitted to and on held-out trials: modes, states, likelihood, forecasts."""
    explained, unseen = (model.explain(shown(part)) for part in (fit, held_out))
    found = model.mode_points()
    predicted, true = _forecasts(model, held_out, unseen)
    return RecordedEvaluation(
        recording=fit,
        held_out=held_out,
        explained=explained,
        explained_held_out=unseen,
        order=None if fit.modes is None else match_modes(fit.modes, explained.modes).order,
        mode_points=np.asarray(model.expected(found.points)),
        mode_eigenvalues=found.eigenvalues,
        forecast=predicted,
        forecast_true=true,
    )


def _forecasts(model: RecordedModel, recording: Recording, explained: Explanation) -> tuple[Any, Any]:
    """E y of the `HORIZON` steps after every `HORIZON`-th, from the states inferred there, and the truth."""
    truth = recording.observations if recording.expected is None else recording.expected
    horizon = min(HORIZON, truth.shape[1] - 1)
    starts = range(0, truth.shape[1] - horizon, horizon)

    def windows(x: Any) -> np.ndarray:
        return np.concatenate([x[:, s + 1 : s + 1 + horizon] for s in starts])

    x, z = (np.concatenate([a[:, s] for s in starts]) for a in (explained.states, explained.modes))
    return model.forecast(x, z, windows(recording.inputs)), windows(truth)


def recorded_arrays(model: RecordedModel, evaluation: RecordedEvaluation) -> dict[str, np.ndarray]:
    """The arrays that the report draws from: states, modes and flow, in the first two coordinates.

    Inferred states are known up to an affine map: they are shown where the best such map puts them beside the
    true ones; without true states as they are. Fitted modes bear the labels of the true ones that they match.
    """
    fit, explained = evaluation.recording, evaluation.explained
    few, shown = slice(0, N_EXAMPLES), slice(0, MOST_SHOWN)
    true = explained.states if fit.states is None else fit.states
    there, back = _affine(explained.states, true)
    labels = _labels(evaluation)
    points = model.mode_points()
    mean = true.reshape(-1, true.shape[-1]).mean(axis=0)
    at = grid(true[..., :2])
    full = np.concatenate([at, np.broadcast_to(mean[2:], (len(at), len(mean) - 2))], axis=1)
    ahead, chosen = model.by_mode(back(full))
    busiest = np.argsort(labels)  # fitted modes in the order of their labels
    out = {
        "modes_path": true[few, shown, :2],
        "modes_inferred": labels[explained.modes[few, shown]],
        "modes_inferred_path": there(explained.states[few, shown])[..., :2],
        "mode_points": there(points.points)[busiest, :2],
        "mode_real": points.real[busiest],
        "mode_eigenvalues": points.eigenvalues[busiest],
        "flow_at": at,
        "flow": (there(ahead)[..., :2] - at)[busiest],
    }
    if fit.modes is not None:
        out["modes_true"] = fit.modes[few, shown]
    if chosen is not None:
        out["flow_mode"] = labels[chosen]
    return {name: small(np.asarray(array)) for name, array in out.items()}


def _labels(evaluation: RecordedEvaluation) -> np.ndarray:
    """A label per fitted mode: the true mode that it matches; the others follow."""
    n = len(evaluation.mode_points)
    labels = np.full(n, -1)
    if evaluation.order is not None:
        for true, fitted in enumerate(evaluation.order):
            if 0 <= fitted < n and true < n:
                labels[fitted] = true
    spare = iter(sorted(set(range(n)) - set(labels)))
    return np.array([next(spare) if label < 0 else label for label in labels])


def _affine(inferred: np.ndarray, true: np.ndarray) -> tuple[Any, Any]:
    """The least-squares affine map from inferred to true states, and its inverse."""
    x, y = (a.reshape(-1, a.shape[-1]) for a in (inferred, true))
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    matrix, shift = coefficients[:-1], coefficients[-1]
    inverse = np.linalg.pinv(matrix)
    return lambda a: a @ matrix + shift, lambda a: (a - shift) @ inverse
