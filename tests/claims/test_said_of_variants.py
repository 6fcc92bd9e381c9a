"""What docs/variants.md says of `variants`."""

import json

import numpy as np
import pytest
from said import CONTEXT, MEMORY, REFERENCE, seeds_of


def _became(name, metric):
    """B over A, and the verdict, of each task."""
    file = REFERENCE / "variants" / f"{name}.json"
    rows = [row for row in json.loads(file.read_text("utf-8"))["rows"] if row["metric"] == metric]
    return {row["task"]: (row["b"] / row["a"], row["verdict"]) for row in rows}


def test_what_is_said_of_ten_times_the_weights():
    errors, systems, task_errors = (
        _became("heavier", metric)
        for metric in ("relative_error", "n_systems_effective", "task_error_network")
    )
    assert len(errors) == 7
    assert all(0.295 < ratio < 0.625 and verdict == "better" for ratio, verdict in errors.values())
    assert [task for task, (ratio, _) in systems.items() if ratio > 1] == ["poisson_clicks"]
    assert [task for task, (_, verdict) in systems.items() if verdict == "better"] == [MEMORY]
    ratios = sorted(ratio for ratio, _ in task_errors.values())
    assert ratios[3] > 2
    assert all(6 / 7 < ratio < 8 / 7 for ratio in ratios[:3])


def test_what_is_said_of_steps_of_the_network_in_the_expansion():
    errors, heavier = _became("refined", "relative_error"), _became("heavier", "relative_error")
    verdicts = [verdict for _, verdict in errors.values()]
    assert (verdicts.count("better"), verdicts.count("worse")) == (2, 1)
    assert errors["delayed_match"][1] == "worse"
    assert _became("refined", "task_error_network")[CONTEXT][0] < 1
    assert 0.7 < _became("refined", "n_systems_effective")[MEMORY][0] < 0.8 < 1 < errors[MEMORY][0]
    assert sum(errors[task][0] > heavier[task][0] for task in errors) == 6


def test_what_is_said_of_variants_by_the_spread_of_states():
    seeds = seeds_of("variants").xs("jslds", level="model")

    def ratios(network, metric):
        found = seeds.xs(metric, level="metric")
        return (found.xs(network, level="network") / found.xs("cotrained", level="network")).apply(np.log)

    heavier, refined = ratios("cotrained_heavier", "nrmse"), ratios("refined", "nrmse")
    assert heavier.size == refined.size == 42
    assert (heavier < 0).all(axis=None)
    fall = 1 - np.exp(heavier.mean(axis=1))
    assert (round(fall.min(), 2), round(fall.max(), 2)) == (0.25, 0.63)
    less = (refined < 0).sum(axis=1)
    assert (less == 6).sum() == 4
    assert np.exp(refined.mean(axis=1))[CONTEXT] == pytest.approx(1 / 3, abs=0.02)
    assert refined.mean(axis=1).pipe(lambda x: x[x > 0]).index.tolist() == ["delayed_match"]
    of = {m: np.exp(ratios("refined", m).mean(axis=1)).round(2) for m in ("relative_error", "nrmse")}
    assert [of[m][task] for m in of for task in (MEMORY, "ready_set_go")] == [1.10, 1.12, 0.91, 0.95]
    other = np.exp((refined - heavier).mean(axis=1)).sort_values()
    assert other.index[0] == CONTEXT
    assert other.iloc[0] < 0.5
    assert [round(x, 2) for x in other.iloc[1:3]] == [1.05, 1.06]
    assert other.iloc[3] > 1.5


def test_what_is_said_of_variants_on_memory_by_the_present_recipe():
    def verdicts(name):
        file = REFERENCE / "variants_memory" / f"{name}.json"
        return {row["metric"]: row for row in json.loads(file.read_text("utf-8"))["rows"]}

    heavier, refined = verdicts("heavier"), verdicts("refined")
    assert [heavier[m]["verdict"] for m in ("relative_error", "nrmse")] == ["better", "better"]
    assert heavier["n_systems_effective"]["b"] > heavier["n_systems_effective"]["a"]
    assert [refined[m]["verdict"] for m in ("relative_error", "nrmse")] == ["cannot tell", "better"]
    systems = refined["n_systems_effective"]
    assert systems["b"] == pytest.approx(systems["a"], rel=0.05)
    assert all(side["task_error_network"]["verdict"] == "worse" for side in (heavier, refined))
    assert round(heavier["relative_error"]["a"], 4) == 0.0057
