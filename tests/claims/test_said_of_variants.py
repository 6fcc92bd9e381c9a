"""What docs/variants.md says of `variants`."""

import json

import numpy as np
import pytest
from said import CONTEXT, MEMORY, REFERENCE, page, seeds_of


def _became(name, metric):
    """B over A, and the verdict, of each task."""
    file = REFERENCE / "variants" / f"{name}.json"
    rows = [row for row in json.loads(file.read_text("utf-8"))["rows"] if row["metric"] == metric]
    return {row["task"]: (row["b"] / row["a"], row["verdict"]) for row in rows}


def _sorted(name, metric):
    """Tasks by verdict."""
    found = {"better": set(), "cannot tell": set(), "worse": set(), "same": set()}
    for task, (_, verdict) in _became(name, metric).items():
        found[verdict].add(task)
    return found


def _fewer(name):
    return {task for task, (ratio, _) in _became(name, "n_systems_effective").items() if ratio < 1}


def test_what_is_said_of_ten_times_the_weights():
    errors, spread = _became("heavier", "relative_error"), _became("heavier", "nrmse")
    assert len(errors) == 7
    for found, low, high in ((errors, 0.295, 0.625), (spread, 0.375, 0.755)):
        assert all(low < ratio < high and verdict == "better" for ratio, verdict in found.values())
    systems = _became("heavier", "n_systems_effective")
    more = {task: round(ratio, 2) for task, (ratio, _) in systems.items() if ratio > 1}
    assert more == {MEMORY: 1.07, "poisson_clicks": 1.06}
    found = _sorted("heavier", "n_systems_effective")
    assert (found["better"], found["worse"]) == ({"path_integration"}, set())
    prices = _became("heavier", "task_error_network")
    found = _sorted("heavier", "task_error_network")
    assert "2.8 to 3.0 times as large on three tasks and 15 times on `ready_set_go`" in page(
        "docs/variants.md"
    )
    worse = {task: prices[task][0] for task in found["worse"]}
    assert round(worse.pop("ready_set_go")) == 15
    assert (round(min(worse.values()), 1), round(max(worse.values()), 1)) == (2.8, 3.0)
    assert (len(found["worse"]), found["cannot tell"]) == (4, {"poisson_clicks", "delayed_match"})
    assert found["same"] == {"sine_generator"}
    assert prices["delayed_match"][0] == pytest.approx(1.9, abs=0.05)


def test_what_is_said_of_steps_of_the_network_in_the_expansion():
    errors, spread, systems = (
        _sorted("refined", metric) for metric in ("relative_error", "nrmse", "n_systems_effective")
    )
    assert errors["cannot tell"] == {"delayed_match", "ready_set_go"}
    assert len(errors["better"]) == 5
    assert spread == errors
    assert systems["better"] == {CONTEXT}
    assert systems["worse"] == set()
    assert _fewer("refined") & errors["better"] == {MEMORY, CONTEXT, "path_integration"}
    ratios = {task: ratio for task, (ratio, _) in _became("refined", "n_systems_effective").items()}
    assert {task for task in errors["better"] if ratios[task] < 0.95} == {
        CONTEXT,
        "path_integration",
    }
    assert round(ratios[MEMORY], 2) == 0.98
    ratios = [ratio for ratio, _ in _became("refined", "n_systems_effective").values() if ratio > 1]
    assert sorted(round(ratio, 2) for ratio in ratios) == [1.10, 1.17, 1.38]
    ratio, verdict = _became("refined", "task_error_network")[CONTEXT]
    assert (round(ratio, 1), verdict) == (0.5, "better")
    said = "3.2, 3.8, 7.3 and 32 times the task error on `path_integration`, 3-bit memory, `delayed_match`"
    assert said in page("docs/variants.md")
    prices = _became("refined", "task_error_network")
    more = [prices[task][0] for task in ("path_integration", MEMORY, "delayed_match", "ready_set_go")]
    assert [float(f"{ratio:.2g}") for ratio in more] == [3.2, 3.8, 7.3, 32]


def test_what_is_said_of_the_cost_of_a_step_of_the_network():
    seconds = (
        seeds_of("variants")
        .xs("network_seconds", level="metric")
        .apply(np.log)
        .mean(axis=1)
        .unstack("network")
    )
    ratios = np.exp(seconds["refined"] - seconds["cotrained"]).round(2)
    assert (ratios.min(), ratios.max()) == (0.81, 0.98)
    said = "geometric means over the seeds of a task; eight of the 42 pairs took longer, by up to 1.23 times"
    assert said in page("docs/variants.md")
    pairs = seeds_of("variants").xs("network_seconds", level="metric").stack().unstack("network")
    each = pairs["refined"] / pairs["cotrained"]
    assert (each.size, (each > 1).sum(), round(each.max(), 2)) == (42, 8, 1.23)


def test_what_is_said_of_them_at_equal_weights():
    errors, spread = (_sorted("refined_at_equal", metric) for metric in ("relative_error", "nrmse"))
    assert errors["worse"] == {MEMORY, "delayed_match", "ready_set_go"}
    assert len(errors["cannot tell"]) == 4
    assert spread["better"] == {CONTEXT, "sine_generator"}
    assert spread["worse"] == {"delayed_match"}
    found = _became("refined_at_equal", "nrmse")
    assert [round(1 - found[task][0], 1) for task in (CONTEXT, "sine_generator")] == [0.6, 0.3]
    assert _became("refined_at_equal", "task_error_network")[CONTEXT][0] == pytest.approx(1 / 6, abs=0.01)


def test_what_is_said_of_variants_by_the_spread_of_states():
    seeds = seeds_of("variants").xs("jslds", level="model")

    def ratios(network, metric):
        found = seeds.xs(metric, level="metric")
        return (found.xs(network, level="network") / found.xs("cotrained", level="network")).apply(np.log)

    heavier, refined = (
        (ratios(network, "nrmse"), ratios(network, "relative_error"))
        for network in ("cotrained_heavier", "refined")
    )
    assert heavier[0].size == 42
    assert (heavier[0].mean(axis=1) > heavier[1].mean(axis=1)).all()
    less = refined[0].mean(axis=1) - refined[1].mean(axis=1)
    assert set(less.index[less < 0]) == {CONTEXT, "sine_generator"}
    falls = refined[1].mean(axis=1) < 0
    assert ((less > 0.05) & falls).sum() == 4
    assert set(falls.index[~falls]) == {"delayed_match"}
    assert less["delayed_match"] > 0.05
    for task in (CONTEXT, "sine_generator"):
        assert (refined[0].loc[task] < 0).all()
        assert np.exp(refined[0].loc[task].mean()) < 0.305


def test_what_is_said_of_where_expansion_points_lie():
    found = seeds_of("variants").xs(
        ("cotrained", "jslds", "fixed_point_chamfer"), level=("network", "model", "metric")
    )
    means = found.mean(axis=1)
    others = means.drop(MEMORY)
    assert (round(others.min(), 2), round(others.max(), 2), round(means[MEMORY], 2)) == (0.10, 0.22, 0.18)
