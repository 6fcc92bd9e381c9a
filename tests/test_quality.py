"""`jslds-bench perf quality`: errors are those of the suite, and time to quality is what it says."""

import json
import math
import os

import jax
import numpy as np
import pandas as pd
import pytest

import jslds_bench.cli as cli
import jslds_bench.metrics  # noqa: F401
from jslds_bench.dynamics.training import CHUNK
from jslds_bench.models.jslds import JSLDS
from jslds_bench.networks.cotrained import CoTrained
from jslds_bench.perf import quality
from jslds_bench.perf.quality import PUBLISHED, Errors, Paper, errors, ladder, soonest
from jslds_bench.settings.draws import purpose_key
from jslds_bench.settings.networks.evaluation import draw_trials, evaluate
from jslds_bench.tasks.context_integration import ContextIntegration
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types import METRICS

TARGETS = {"task": Errors(1.0, 1.0, 1.0)}
PAPERS = {"task": Paper(0.5, 200, 100.0)}


def test_the_errors_are_the_metrics_of_the_suite():
    task = NBitMemory(n_bits=1, n_steps=4, n_unscored=1)
    network = CoTrained(n_steps=3, n_state=6).build(task, purpose_key(7, "network"))
    trials = draw_trials(task, 7, "evaluation", 50)
    model = JSLDS().fit(task, network, draw_trials(task, 7, "fit", 4), purpose_key(7, "fit"))
    evaluation = evaluate(task, network, model, trials, [], 7)
    for name, value in errors(network, trials)._asdict().items():
        assert value == pytest.approx(METRICS.make(name, {}).compute(evaluation), rel=1e-4), name


def rows(seconds_and_errors):
    """Seeds 0, 1 and 2 with the same seconds, and for each length their free-run errors."""
    return pd.DataFrame(
        {"task": "task", "seed": seed, "steps": steps, "seconds": seconds, **Errors(e, 0.5, 0.5)._asdict()}
        for steps, (seconds, each) in seconds_and_errors.items()
        for seed, e in enumerate(each)
    )


def test_the_soonest_is_where_medians_reach_the_targets_for_good():
    frame = rows(
        {100: (1, (0.1, 0.1, 0.1)), 200: (2, (2, 2, 0.1)), 300: (4, (2, 0.9, 1.0)), 400: (5, (0, 0, 0))}
    )
    found = soonest(frame.sample(frac=1, random_state=0), PAPERS, TARGETS).to_dict("records")
    expected = {"task": "task", "steps": 300, "seconds": 4, "reaching": 2, "seeds": 3}
    assert found == [{**expected, "paper_seconds": 100.0, "ratio": 25.0}]


@pytest.mark.parametrize("name", Errors._fields)
def test_all_errors_count_and_what_is_not_reached_has_no_time(name):
    frame = rows({100: (1, (0.1, 0.1, 0.1)), 200: (2, (0.2, 0.2, 0.2))})
    assert soonest(frame, PAPERS, TARGETS).steps.tolist() == [100]
    frame.loc[frame.steps == 200, name] = math.inf
    (row,) = soonest(frame, PAPERS, TARGETS).to_dict("records")
    assert all(math.isnan(row[x]) for x in ("steps", "seconds", "reaching", "ratio"))
    assert row["paper_seconds"] == 100


def test_the_ladder_is_of_whole_chunks_about_the_recipe_s_length():
    whole = ContextIntegration().setup.fast_steps
    steps = ladder(ContextIntegration())
    assert all(n % CHUNK == 0 for n in steps)
    assert whole in steps
    assert min(steps) < whole / 2
    assert max(steps) > whole


def test_the_command_writes_values_machine_and_figure(tmp_path, monkeypatch, capsys):
    """On networks of six units, which the paper's figures are beyond; the second task would say no more."""
    first = {"fast_steps": 2 * CHUNK, "fast_steps_first": CHUNK}
    small = NBitMemory().setup._replace(n_state=6, paper_steps=1000, **first)
    monkeypatch.setattr(NBitMemory, "setup", property(lambda _: small))
    monkeypatch.delitem(PUBLISHED, "context_integration")
    cores = os.sched_getaffinity(0)
    assert cli.main(["perf", "quality", "--seeds", "1", "--out", str(tmp_path), "--quiet"]) == 0
    assert os.sched_getaffinity(0) == cores
    values = pd.read_csv(tmp_path / "values.csv")
    assert list(zip(values.steps, values.seed, strict=True)) == [(2 * CHUNK, 0), (3 * CHUNK, 0)]
    assert (values[["seconds", "other_seconds"]] > 0).all(axis=None)
    assert np.isfinite(values[list(Errors._fields)]).all(axis=None)
    (paper,) = json.loads((tmp_path / "machine.json").read_text())["paper"].values()
    assert paper["n_steps"] == 1000
    assert paper["seconds"] == pytest.approx(1000 * paper["step_seconds"])
    assert 0 < paper["step_seconds"] < 0.1
    assert {p.name for p in tmp_path.glob("quality.*")} == {"quality.svg", "quality.png"}
    assert capsys.readouterr().out.count("not reached") == 1


@pytest.mark.parametrize(("n_first", "seconds"), [(0, 40.0), (100, 90.0), (300, 70.0)])
def test_seconds_are_of_all_steps_and_compiling_is_none(n_first, seconds, monkeypatch):
    """A chunk alone takes 10 s and one of co-training 20, the first of each kind 50; n = 200."""

    class Source:
        def __init__(self, recipe, n_steps):
            self.n_steps = n_steps

        def build(self, task, key, progress):
            done = 0
            for n, each in ((n_first, 10), (self.n_steps, 20)):
                for k in range(n // CHUNK):
                    clock[0] += each if k else 50
                    done += CHUNK
                    progress(done, n_first + self.n_steps, "")

    clock = [7.0]
    monkeypatch.setattr(quality, "CoTrained", Source)
    monkeypatch.setattr(quality.time, "process_time", lambda: clock[0])
    setup = NBitMemory().setup._replace(fast_steps=2 * CHUNK, fast_steps_first=n_first)
    monkeypatch.setattr(NBitMemory, "setup", property(lambda _: setup))
    _, steps, other = quality.trained(NBitMemory(), jax.random.key(0), "fast", 2 * CHUNK)
    assert steps == pytest.approx(seconds)
    assert steps + other == pytest.approx(clock[0] - 7.0)


def test_no_seeds_are_refused(tmp_path, capsys):
    assert cli.main(["perf", "quality", "--seeds", "0", "--out", str(tmp_path)]) == 3
    assert "--seeds is 0, expected at least 1" in capsys.readouterr().err
