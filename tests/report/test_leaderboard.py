"""The leaderboard of several runs: its numbers, its figures, what its page may do."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from places import measured
from switching_runs import write_recorded

from jslds_bench import cli
from jslds_bench.errors import UsageError
from jslds_bench.report import write_leaderboard
from jslds_bench.report.board.board import build_board, front, methods
from jslds_bench.report.board.leaderboard import LABELS, _compared, _heads
from jslds_bench.report.data.run import load_data
from jslds_bench.report.style import PAPER, theme

MACHINE = {"machine": "x86_64", "cpu": "a CPU", "cores": 2, "threads": 1, "device": "cpu: cpu"}


def records(make, n_seeds=3, models=("jslds", "fixed_points"), tasks=("nbit_memory", "context_integration")):
    return [
        make(task, network, model, seed)
        for task in tasks
        for network in ("standard", "cotrained")
        for model in models
        for seed in range(n_seeds)
    ]


def board_of(*runs):
    return build_board([(run.name, load_data(run)) for run in runs])


def test_rank_is_the_mean_place_over_seeds(write_named, make):
    tasks = ("nbit_memory",)
    runs = [
        write_named("a", records(make, tasks=tasks)),
        write_named("b", records(make, 3, ("persistence",), tasks)),
    ]
    every = board_of(*runs).of("nbit_memory")
    for network in ("standard", "cotrained"):  # to follow one is another problem than to follow the other
        entries = [e for e in every if e.network == network]
        errors = np.array([[e.losses[s] for e in entries] for s in range(3)])
        places = errors.argsort(axis=1).argsort(axis=1) + 1
        assert [e.rank for e in entries] == pytest.approx(list(places.mean(axis=0)))
        assert [e.rank for e in entries] == sorted(e.rank for e in entries)
        assert {e.run for e in entries} == {"a", "b"}


def test_other_seeds_and_missing_values_have_no_rank(write_named, make):
    torn = make("nbit_memory", "standard", "persistence", 2, values={})
    first = [*records(make, tasks=("nbit_memory",)), torn]
    first += [make("nbit_memory", "standard", "persistence", s) for s in range(2)]
    board = board_of(write_named("a", first), write_named("b", [make("nbit_memory", "standard", "jslds", 7)]))
    unranked = {(e.run, e.model) for e in board.entries if math.isnan(e.rank)}
    assert unranked == {("a", "persistence"), ("b", "jslds")}
    own = [math.isnan(e.rank) for e in board.entries if e.network == "standard"]
    assert own == [False] * 2 + [True] * 2
    whole, errors, tasks = methods(board, "standard", "")
    assert whole == [("a", "jslds"), ("a", "fixed_points")]
    assert errors.shape == (3, 2)
    assert tasks == ["nbit_memory"] * 3


@pytest.mark.parametrize("status", ["failed", "diverged", "timeout"])
def test_what_came_to_nothing_is_last_as_in_the_report(write_named, make, status):
    torn = make("nbit_memory", "standard", "jslds", 2, status=status, reason="no luck", values={})
    rest = [r for r in records(make, tasks=("nbit_memory",)) if r.key != torn.key]
    board = board_of(write_named("a", [*rest, torn]))
    (entry,) = (e for e in board.entries if (e.model, e.network) == ("jslds", "standard"))
    assert (entry.losses[2], entry.complete, entry.counts) == (math.inf, True, (2, 3))
    assert ("a", "jslds") in methods(board, "standard", "")[0]


def test_a_model_that_failed_on_a_task_is_last_in_its_own_class(write_named, make):
    """Nothing was measured there of what it is linear in: it must not gain by being of no class."""
    kinds = {"linear_in_state": 1.0, "linear_in_input": 1.0}

    def classed(task, model, seed, **change):
        made = make(task, "standard", model, seed, **change)
        shares = {name: measured(name, share, "", "higher") for name, share in kinds.items()}
        return made if change else dataclasses.replace(made, values=made.values | shares)

    tasks = [f"task {i}" for i in range(3)]
    lost = [classed("task 0", "jslds", s, status="timeout", reason="x", values={}) for s in range(2)]
    kept = [classed(t, m, s) for t in tasks for m in ("jslds", "lds") for s in range(2)]
    keys = {r.key for r in lost}
    board = board_of(write_named("a", [*lost, *(r for r in kept if r.key not in keys)], suite_text=""))
    assert set(board.classes) == {("standard", "state, input")}
    whole, scores, of = methods(board, "standard", "state, input")
    assert sorted(whole) == [("a", "jslds"), ("a", "lds")]
    assert np.isinf(scores[[t == "task 0" for t in of], whole.index(("a", "jslds"))]).all()


def test_seeds_that_were_asked_for_and_not_run_leave_no_rank(write_named, make):
    run = write_named("a", [*records(make, 2, ("jslds",)), *records(make, 3, ("fixed_points",))])
    board = board_of(run)
    assert {(e.model, e.counts, math.isnan(e.rank)) for e in board.entries} == {
        ("jslds", (2, 3), True), ("fixed_points", (3, 3), False)
    }  # fmt: skip
    assert {e.cells["relative_error"].text[-5:] for e in board.entries if e.model == "jslds"} == {"[2/3]"}


def test_each_task_is_ranked_by_what_its_setting_says(write_named, make):
    runs = []
    for name in ("a", "b"):
        first = [make("nbit_memory", model=m, seed=s) for m in ("jslds", "persistence") for s in range(2)]
        runs.append(
            write_recorded(write_named(name, first, suite_text="", environment=MACHINE), ("nascar",), 2)
        )
    board = board_of(*runs)
    assert {t: c.metric for t, c in board.ranked_by.items()} == {
        "nascar": "mode_accuracy", "nbit_memory": "relative_error"
    }  # fmt: skip
    places = {e.model: e.rank for e in board.of("nascar") if e.run == "a"}
    assert places["rslds"] < places["slds"]
    assert math.isnan(places["lds"])  # it has no modes to be right about
    assert all(e.cost.complete for e in board.of("nascar"))
    heads = [head.name for head in _heads(board, dict.fromkeys(LABELS, ""))]
    assert heads.index("mode_accuracy") < heads.index("cost") < heads.index("seconds_per_iteration")
    text = write_leaderboard(runs, runs[0].parent / "board").read_text()
    assert "by mode_accuracy in nascar; relative_error in nbit_memory" in text
    assert "No performance profiles on data" in text
    assert "No performance profiles on standard" not in text


def test_methods_of_accuracies_have_ranks_and_no_profiles(write_named):
    runs = [write_recorded(write_named(name, [], suite_text=""), ("nascar",), 2) for name in ("a", "b")]
    page = write_leaderboard(runs, runs[0].parent / "board")
    assert "No performance profiles" in page.read_text()
    assert "linear in" not in page.read_text()  # nobody knows what in: there are no classes
    assert (page.parent / "figures" / "ranks.svg").exists()


def test_front_is_what_nothing_beats_in_both(write_named, make):
    entries = board_of(
        write_named("a", records(make, models=("jslds", "fixed_points", "persistence")))
    ).entries
    chosen = front(entries)
    for entry in entries:
        beaten = any(
            o.cost.mean <= entry.cost.mean
            and o.cells["relative_error"].mean <= entry.cells["relative_error"].mean
            and o is not entry
            for o in entries
        )
        assert (entry in chosen) != beaten


def page_of(write_named, make):
    diverged = make("nbit_memory", "cotrained", "jslds", 0, diverged=True)
    first = [r for r in records(make) if r.key != diverged.key]
    runs = [
        write_named("one", [*first, diverged], environment=MACHINE),
        write_named("two", records(make, 2), suite_text="", environment=MACHINE | {"cpu": "another CPU"}),
    ]
    return write_leaderboard(runs, runs[0].parent / "board")


def test_page_holds_all_entries_and_nothing_from_elsewhere(write_named, make):
    page = page_of(write_named, make)
    text = page.read_text()
    assert text.count("<tr>") == 1 + 16
    assert 'inf <span class="sd">(diverged 1/3)</span>' in text
    assert 'data-v="Infinity"' in text
    assert "A: a CPU, 1 of 2 cores" in text
    assert "B: another CPU" in text
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert not re.search(r"https?:|@import|<link|<iframe|\son\w+=|\ssrc=", without_names)
    assert {p.name for p in (page.parent / "figures").iterdir()} == {
        f"{name}.{kind}"
        for name in (
            "pareto",
            *(f"{n}_{on}" for n in ("ranks", "profiles") for on in ("standard", "cotrained")),
        )
        for kind in ("svg", "png")
    }
    assert "nbit_memory, machine B" in (page.parent / "figures" / "pareto.svg").read_text()
    assert "Without a task or seed that most have: 2 methods" in text


def test_only_the_pages_own_script_may_run(write_named, make):
    text = page_of(write_named, make).read_text()
    script = text[text.index("<script>") + 8 : text.index("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert text.count("<script") == 1


def test_hostile_labels_stay_text(write_named, make):
    label = "</td><script>alert(1)</script>\"'"
    runs = [
        write_named(
            name, [make(model=label, seed=s, entries=("nbit_memory", "standard", label)) for s in (0, 1)]
        )
        for name in ("a<b", "c")
    ]
    text = write_leaderboard(runs, runs[0].parent / "board").read_text()
    assert text.count("<script") == 1
    assert "&lt;script&gt;alert(1)" in text
    assert "a&lt;b" in text


def test_runs_without_anything_to_plot(write_named, make):
    runs = [write_named(n, [make(status="failed", reason="no luck")]) for n in ("a", "b")]
    text = write_leaderboard(runs, runs[0].parent / "board").read_text()
    assert "No plot of quality against cost" in text
    assert "No mean ranks" in text


def test_the_same_records_give_the_same_page_and_old_figures_go(write_named, make):
    page = page_of(write_named, make)
    before = page.read_bytes()
    stale = page.parent / "figures" / "stale.svg"
    stale.write_text("old")
    assert write_leaderboard([page.parents[1] / "one", page.parents[1] / "two"], page.parent) == page
    assert page.read_bytes() == before
    assert not stale.exists()


def test_wrong_runs_are_one_clear_line(write_named, make, capsys):
    run = write_named("a", records(make, 1))
    other = write_named("b", records(make, 1))
    with pytest.raises(UsageError, match="named twice"):
        write_leaderboard([run, run / ".." / "a"], run.parent / "board")
    with pytest.raises(UsageError, match="holds a run"):
        write_leaderboard([run, other], other)
    assert cli.main(["report", str(run), str(other), "--out", str(run.parent / "board")]) == 0
    assert capsys.readouterr().out.strip().endswith("board/index.html")
    assert cli.main(["report", str(run), "--out", "x"]) == 3


CLICKS = """
const heads = [...document.querySelectorAll("#board thead th")];
const at = (name) => heads.findIndex((head) => head.dataset.name === name);
const column = (name) => [...document.querySelectorAll("#board tbody tr")].filter((row) => !row.hidden)
  .map((row) => row.cells[at(name)].dataset.v ?? row.cells[at(name)].textContent.trim());
const click = (name) => heads[at(name)].querySelector("button").click();
const found = {};
click("relative_error"); found.up = column("relative_error");
click("relative_error"); found.down = column("relative_error");
click("cost"); found.cost = column("cost"); found.machine = column("machine");
const pick = document.querySelector("select"); pick.value = "two"; pick.dispatchEvent(new Event("change"));
found.count = document.querySelector("#count").textContent; found.runs = column("run");
document.title = JSON.stringify(found);
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_page_sorts_and_filters_in_a_browser(write_named, make, tmp_path):
    text = page_of(write_named, make).read_text()
    text = re.sub(r'<meta http-equiv="[^"]*" content="[^"]*">', "", text)
    (tmp_path / "page.html").write_text(text.replace("</body>", f"<script>{CLICKS}</script></body>"))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    dom = subprocess.run(
        [*command, Path(tmp_path / "page.html").as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    found = json.loads(re.search(r"<title>(.*?)</title>", dom)[1])
    up = [float(v) for v in found["up"]]
    assert up == sorted(up)
    assert up[-1] == math.inf
    assert found["down"] == found["up"][::-1]
    assert found["machine"] == sorted(found["machine"])
    for machine in "AB":
        costs = [float(v) for v, m in zip(found["cost"], found["machine"], strict=True) if m == machine]
        assert costs == sorted(costs)
    assert (found["count"], set(found["runs"])) == ("8 of 16", {"two"})


def test_pairs_of_task_and_seed_are_no_units_of_tests(write_named, make):
    """Nor is one seed of many tasks: what differs between two networks is not what differs between models."""
    many = [f"task {i}" for i in range(8)]
    for tasks, n_seeds, why in [
        (("memory", "clicks"), 10, "underpowered: the least p of 2 tasks is 0.5"),
        (many, 1, "one seed: no test"),
        (many, 2, ""),
    ]:
        made = records(make, n_seeds, tasks=tasks)
        board = board_of(write_named(f"{len(tasks)}-{n_seeds}", made, suite_text=""))
        with theme():
            (_, figure, caption), _ = _compared(board, "cotrained", "")[0]
        assert (f"Hollow, and without bars: {why}" in caption) == bool(why)
        dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
        assert ({line.get_markerfacecolor() for line in dots} == {PAPER}) == bool(why)


def test_of_three_tasks_these_are_the_units_of_tests(write_named, make):
    board = board_of(write_named("a", records(make, tasks=("memory", "clicks", "sines"))))
    with theme():
        (name, figure, caption), _ = _compared(board, "cotrained", "")[0]
    assert name == "ranks_cotrained"
    assert "Wilcoxon tests over tasks" in caption
    assert "Hollow, and without bars: underpowered: the least p of 3 tasks is 0.25" in caption
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert {line.get_markerfacecolor() for line in dots} == {PAPER}
