"""Kinds of data: what one more costs, what a run of several shows, and what is said of one not known here."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from places import measured
from spike_runs import write_spikes
from switching_runs import write_recorded

from jslds_bench.records.record import Record, Value
from jslds_bench.records.store import write_record
from jslds_bench.report import settings, write_leaderboard, write_report
from jslds_bench.report.data.run import load_data
from jslds_bench.report.facts import facts, key_lines
from jslds_bench.report.page import sections
from jslds_bench.report.plans.every import plans
from jslds_bench.report.settings.base import SETTING

FILMS = """
from matplotlib.figure import Figure

from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.plans.scores import scores_plan
from jslds_bench.report.settings.base import Setting


class Films(Setting):
    leading, lead, about = "sharpness", "Sharpest", "Sharpness is that of frames."
    names_network = False
    sections = {"reels": "Reels"}
    shapes = {"frames": "F H W"}

    def plans(self, data, task):
        yield Plan(("reels", task), f"{task}_reel", "A reel.", Figure)
        yield from scores_plan(data, task)
        for key in data.keys(task):
            yield Plan(("task", task), key[2], "", None, str(data.example(key)["frames"].shape), "Frames")


SETTING = Films()
"""


def film_record(model: str = "blur", seed: int = 0) -> Record:
    numbers = {
        "sharpness": Value(1.0 + seed + (model == "lens"), "lp/mm", "higher", None, "frames", 10, True),
        "flicker": Value(0.1, "1", "lower", None, "frames", 11),
        "fit_seconds": measured("fit_seconds", 2.0, "s", "lower"),
    }
    told = ("films", "real", "A reel <1>.")
    return Record("s", "reel", "none", model, seed, {}, "ok", None, numbers, {}, {}, {}, "0", *told)


@pytest.fixture
def film_run(write_run):
    run = write_run([], suite_text="")
    for model in ("blur", "lens"):
        for seed in range(2):
            write_record(run, film_record(model, seed), {"frames": np.zeros((2, 3, 4))})
    return run


@pytest.fixture
def films(tmp_path, monkeypatch):
    """A fourth setting, in a file as the package has them."""
    name = "jslds_bench.report.settings"
    (tmp_path / "films.py").write_text(FILMS)
    monkeypatch.setattr(settings, "__path__", [*settings.__path__, str(tmp_path)])
    yield
    sys.modules.pop(f"{name}.films", None)


def test_a_fourth_setting_is_one_file(film_run, films):
    data = load_data(film_run)
    assert key_lines(data) == [("Sharpest", "reel: lens 2.50 ± 0.71")]
    assert [plan.name for plan in plans(data)] == ["headline", "reel_reel", "reel+scores", "blur", "lens"]
    text = write_report(film_run).read_text()
    for said in (
        "Sharpness is that of frames.",
        '<a href="#reels">Reels</a>',
        "A reel &lt;1&gt;.",
        "No figure: (2, 3, 4)",
        "<dt>data</dt><dd>real</dd>",
        'colspan="2" scope="colgroup">frames</th>',
    ):
        assert said in text
    assert (film_run / "figures" / "reel_reel.svg").exists()


def test_an_unknown_setting_shows_its_tables_and_scores(film_run):
    data = load_data(film_run)
    assert data.setting("reel") is SETTING
    assert [plan.name for plan in plans(data)] == ["headline", "reel+scores"]
    assert key_lines(data) == [("Best sharpness ↑ [lp/mm]", "reel: lens on none: 2.50 ± 0.71")]
    text = write_report(film_run).read_text()
    assert "sharpness" in text[text.index("<h2") : text.index("All metrics")]
    assert "flicker" in text
    assert "A reel &lt;1&gt;." in text


def test_the_setting_is_that_of_a_job_with_values(film_run):
    """Records of schema 1 tell the kind of data by their metrics, which a job that failed has none of."""
    failed = dataclasses.replace(film_record("anew"), status="failed", values={}, setting="recordings")
    write_record(film_run, failed, {})
    assert load_data(film_run).settings == {"reel": "films"}


@pytest.mark.parametrize(
    "name", ["", "films", "../networks", "networks.evil", "base", "__init__", "os", "a b", "é"]
)
def test_any_name_gives_a_setting(name):
    assert isinstance(settings.of(name), type(SETTING))


def test_a_run_of_every_setting(write_run, make, film_run, films):
    run = write_spikes(
        write_recorded(write_run([make(seed=s) for s in (0, 1)], suite_text=""), ("nascar",), 2)
    )
    data = load_data(run)
    kinds = {task: type(data.setting(task)).__name__ for task in data.tasks}
    assert kinds == {
        "nascar": "Recordings", "nbit_memory": "Networks", "reel": "Films", "spiking_rotations": "Spikes"
    }  # fmt: skip
    assert len(key_lines(data)) == 4
    assert dict(facts(data))["data"] == "nascar, nbit_memory, spiking_rotations: synthetic; reel: real"
    heads = [section.title for section in sections(data, [])]
    general = ["Over tasks", "Error against complexity", "Error by step", "Network × model", "Reels"]
    assert heads == [*general, *data.tasks]
    text = write_report(run).read_text()
    assert text.count("<svg ") + text.count("<img ") == len([plan for plan in plans(data) if plan.build])
    board = write_leaderboard([run], run.parent / "board").read_text()
    assert "sharpness in reel" in board
