"""The page and its figures, from synthetic runs."""

from __future__ import annotations

import csv
import dataclasses
import html.parser
import os
import re
import subprocess
import sys
import time
import tomllib
import urllib.parse
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from jslds_bench.errors import UsageError
from jslds_bench.records.store import read_arrays, read_record, record_path, write_record
from jslds_bench.report import write_report
from jslds_bench.report.board.leaderboard import write_leaderboard
from jslds_bench.report.data.run import load_data
from jslds_bench.report.plans.every import plans
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.style import theme
from jslds_bench.reproduce.page import write_scorecard

VOID = {"meta", "br", "wbr", "hr", "img", "link", "input"}


class Checker(html.parser.HTMLParser):
    """Collects what is wrong with a page: unbalanced tags, repeated ids, anything fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.faults: list[str] = []
        self.text: list[str] = []
        self.images: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._attributes(tag, attrs)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self._attributes(tag, attrs)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"unbalanced </{tag}>")

    def handle_data(self, data):
        self.text.append(data)

    def _attributes(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "xlink:href"):
                self.links.append(value)
            if name == "src" and tag == "img" and value.startswith("figures/"):
                self.images.append(urllib.parse.unquote(value))
            elif name in ("src", "srcset", "action", "poster", "data") and not value.startswith("data:"):
                self.faults.append(f"{tag} fetches {value}")
            if name.startswith("on"):
                self.faults.append(f"{tag} has a handler {name}")


def arrays_of(run, record):
    path = record_path(run, record.key)
    return read_arrays(path, read_record(path))


def check(page: Path) -> Checker:
    text = page.read_text()
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert text.startswith("<!DOCTYPE html>")
    assert checker.open == []
    assert checker.faults == []
    assert all((page.parent / image).is_file() for image in checker.images)
    assert len(checker.ids) == len(set(checker.ids))
    outside = [link for link in checker.links if not link.startswith(("#", "data:"))]
    assert outside == []
    assert {link[1:] for link in checker.links if link.startswith("#")} <= set(checker.ids)
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "http:" not in without_names
    assert "https:" not in without_names
    assert "@import" not in text
    assert not checker.tags & {"script", "link", "iframe", "object", "embed", "base"}
    return checker


def names(run: Path, ending: str) -> set[str]:
    return {p.name.removesuffix(ending) for p in (run / "figures").glob(f"*{ending}")}


MANY = (("nbit_memory", "standard"), ("nbit_memory", "cotrained"), ("context_integration", "cotrained"))
"""Where there are more models than a plot of outputs shows unasked."""


def test_every_figure_exists_as_png_and_svg_and_on_the_page(report):
    run = report.parent
    expected = {"headline", *(f"nbit_memory+fig2{letter}" for letter in "abcdefs")}
    expected |= {f"{task}+{network}+outputs_all" for task, network in MANY}
    expected |= {f"context_integration+fig3{panel}" for panel in ("a", "b", "c", "di", "j", "k", "s")}
    for task in ("nbit_memory", "context_integration"):
        expected |= {f"{task}+{n}" for n in ("horizon_free_run", "horizon_one_step", "matrix", "bars")}
        for network in ("standard", "cotrained"):
            expected |= {
                f"{task}+{network}+{n}" for n in ("outputs", "trajectories", "points", "eigenvalues")
            }
    assert names(run, ".png") == names(run, ".svg") == expected
    for path in (run / "figures").glob("*.svg"):
        assert ET.parse(path).getroot().tag.endswith("svg")
    for path in (run / "figures").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    text = report.read_text()
    assert text.count("<svg ") + text.count("<img ") == len(expected)


def test_page_is_well_formed_and_self_contained(report):
    check(report)
    assert report.stat().st_size < 5e6


def test_page_says_what_ran_and_what_failed(report):
    text = " ".join("".join(check(report).text).split())
    for part in (
        "0123abcd, with uncommitted changes",
        "jax 0.10.2",
        "211 GFLOP/s (float32, median of 43 jobs; 210–212)",
        "16 min for 48 jobs",
        "LinAlgError: singular matrix",
        "took longer than 600 s",
        "needs an expansion network",
        "7 of 64 trials diverged",
        "inf (diverged 1/3)",
        'name = "context_integration"',
    ):
        assert part in text


def test_panels_are_titled_with_the_mean_over_seeds(report):
    svg = (report.parent / "figures" / "nbit_memory+fig2f.svg").read_text()
    found = re.search(r"free-run relative error (0\.\d+) ± 0\.\d+, 3 seeds", svg)
    with (report.parent / "values.csv").open(newline="") as file:
        values = [
            float(row["value"])
            for row in csv.DictReader(file)
            if (row["task"], row["network"], row["model"]) == ("nbit_memory", "cotrained", "jslds")
            and row["metric"] == "relative_error"
        ]
    assert found is not None
    assert float(found[1]) == pytest.approx(np.mean(values), abs=1e-4)


def test_models_keep_the_order_of_the_suite(report):
    text = report.read_text()
    table = text[text.index('id="results"') : text.index('id="horizon"')]
    places = [table.index(f"</i>{model}</th>") for model in ("jslds", "fixed_points", "persistence")]
    assert places == sorted(places)


def test_the_same_records_give_the_same_bytes(write_run, make):
    run = write_run([make(), make(network="cotrained")])

    def everything():
        write_report(run)
        made = [run / n for n in ("index.html", "values.csv", "table.md")]
        made += sorted((run / "figures").iterdir())
        return {p.name: p.read_bytes() for p in made}

    assert everything() == everything()


def test_what_killed_writers_left_of_a_page_is_swept_by_the_next(tmp_path, write_run, make):
    """Of a report, a leaderboard and a scorecard, beside the page and its figures."""
    run = write_run([make()])
    board, card = tmp_path / "board", tmp_path / "card"
    left = [d / ".0123abcd-1-xyz.part" for folder in (run, board, card) for d in (folder, folder / "figures")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))
    write_report(run)
    write_leaderboard([run], board)
    write_scorecard([], {}, card, "")
    assert [path for path in left if path.exists()] == []


def test_figures_that_no_longer_apply_are_removed(write_run, make):
    gone = make(network="cotrained")
    run = write_run([make(), gone])
    write_report(run)
    assert "nbit_memory+fig2b" in names(run, ".png")
    record_path(run, gone.key).unlink()
    write_report(run)
    assert not [n for n in names(run, ".png") if "cotrained" in n or "fig2b" in n]
    assert (
        "No figure: Fig. 2B: the run has no jslds on a cotrained network" in (run / "index.html").read_text()
    )


def test_hostile_labels_stay_text(write_run, make):
    labels = [
        "<script>alert(1)</script>",
        r"$\frac",
        "_hidden",
        "a&b\"'",
        "$x$ and $y$",
        "{{ 7*7 }}",
        "模型",
        "x" * 60,
    ]
    records = []
    for seed in range(2):
        for label in labels:
            records.append(make(model=label, seed=seed, entries=("nbit_memory", "cotrained", label)))
    records.append(make(model="bad", status="failed", reason="</pre><script>alert(2)</script>"))
    page = write_report(write_run(records, suite_text="# </pre><script>alert(3)</script>\n", started="<b>"))
    text = "".join(check(page).text)
    for label in labels:
        assert label in text
    assert "<script>" not in page.read_text()
    matrix = ET.parse(page.parent / "figures" / "nbit_memory+matrix.svg")
    shown = {"".join(e.itertext()).strip() for e in matrix.iter("{http://www.w3.org/2000/svg}text")}
    assert {r"$\frac", "_hidden", "a&b\"'", "$x$ and $y$", "x" * 13 + "…" + "x" * 12} <= shown


def planned(run: Path) -> dict[str, Plan]:
    return {plan.name: plan for plan in plans(load_data(run))}


def test_figures_follow_registry_names_not_labels(write_run, make):
    records = [
        make("memory", "ours", "switching", entries=("nbit_memory", "cotrained", "jslds")),
        make("memory", "plain", "classic", entries=("nbit_memory", "standard", "fixed_points")),
        make("memory", "cotrained", "jslds", entries=("nbit_memory", "checkpoint", "lds")),
    ]
    found = planned(write_run(records))
    assert all(found[f"memory+fig2{letter}"].build for letter in "abcdefs")
    with theme():
        texts = {t.get_text() for t in found["memory+fig2b"].build().findobj(Text)}
    assert {"switching", "ours network"} <= texts


def test_one_record(write_run, make):
    page = write_report(write_run([make()]))
    check(page)
    assert "seeds 0" in page.read_text()


def test_no_records_and_an_unfinished_run(write_run):
    page = write_report(write_run([], seconds=None, finished=None, suite_text="not = toml = at all"))
    text = "".join(check(page).text)
    assert "no records yet" in text
    assert "not finished" in text


def test_only_failures(write_run, make):
    records = [make(seed=s, status="failed", reason="no luck") for s in range(3)]
    page = write_report(write_run(records))
    assert "0–2" in "".join(check(page).text)


@pytest.mark.parametrize(
    ("missing", "figures"),
    [
        ("example_states", {"fig2a", "fig2b", "fig2f", "outputs", "trajectories", "points"}),
        ("example_free_run", {"fig2b", "fig2f", "outputs", "trajectories"}),
        ("readout_w", {"fig2b", "fig2e", "outputs"}),
        ("pca_axes", {"fig2f", "trajectories", "points"}),
        ("expansion", {"fig2e"}),
        ("network_points", {"fig2e"}),
        ("eigenvalues", {"eigenvalues"}),
    ],
)
def test_missing_arrays_leave_a_note_instead_of_a_figure(write_run, make, missing, figures):
    record = make(network="cotrained")
    run = write_run([record])
    arrays = arrays_of(run, record)
    del arrays[missing]
    write_record(run, record, arrays)
    without = {n.rsplit("+", 1)[1]: p.note for n, p in planned(run).items() if p.build is None}
    assert figures | {"complexity", "fig2c", "fig2d"} | ({"fig2e"} & without.keys()) == without.keys()
    assert all(f"hold no {missing}" in without[figure] for figure in figures)


@pytest.mark.parametrize(
    ("missing", "without"),
    [("mask", 0), ("example_targets", 1), ("example_u_star", 1), ("network_eigenvalues", 0)],
)  # Fig. 3A shows a trial of either u*, and its target
def test_arrays_that_figures_can_do_without(write_run, make, missing, without):
    record = make("context_integration", network="cotrained")
    run = write_run([record])
    arrays = arrays_of(run, record)
    del arrays[missing]
    write_record(run, record, arrays)
    with theme():
        drawn = [plan.build() for plan in planned(run).values() if plan.build]
    assert len(drawn) == 15 - without


def test_ill_shaped_and_damaged_arrays_are_named(write_run, make):
    bad, torn = make(network="cotrained"), make(network="cotrained", model="taylor_at_state")
    run = write_run([bad, torn])
    arrays = arrays_of(run, bad)
    write_record(run, bad, arrays | {"example_free_run": arrays["example_free_run"][:, :-3]})
    file = record_path(run, torn.key).with_suffix(".npz")
    file.write_bytes(file.read_bytes()[:200])
    write_record(run, dataclasses.replace(bad, model="lost"), arrays)
    record_path(run, (*bad.key[:2], "lost", bad.seed)).with_suffix(".npz").unlink()
    text = write_report(run).read_text()
    assert "example_free_run has shape (4, 23, 16) of float32, expected [E, T1, N]" in text
    assert "seed-0.npz are not those that were written with seed-0.json" in text
    assert "seed-0.npz are missing; delete the record to have them made anew" in text


def test_states_that_are_not_finite_are_drawn_as_far_as_they_go(write_run, make):
    record = make(network="cotrained", diverged=True)
    run = write_run([record])
    arrays = dict(arrays_of(run, record))
    arrays["example_free_run"] = arrays["example_states"].copy()
    arrays["example_free_run"][:, 10:] = np.inf
    arrays["example_one_step"] = np.full_like(arrays["example_one_step"], np.nan)
    arrays["eigenvalues"] = arrays["eigenvalues"] * 1e6
    arrays["model_points"] = arrays["model_points"][:0]
    arrays["model_points_u_star"] = arrays["model_points_u_star"][:0]
    write_record(run, record, arrays)
    page = write_report(run)
    check(page)
    assert "free-run leaves the plot at t = 10" in page.read_text()


def test_a_folder_without_a_run_is_one_clear_line(tmp_path):
    with pytest.raises(UsageError, match="no run at"):
        write_report(tmp_path)


def test_progress_reaches_its_total(write_run, make):
    seen = []
    write_report(write_run([make(status="failed")]), lambda done, total, text: seen.append((done, total)))
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1]
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)


def test_thirty_models_and_ten_seeds_stay_usable(write_run, make, example):
    models = [f"model_{i:02d}" for i in range(30)]
    run = write_run([])
    for network in ("standard", "cotrained"):
        for i, model in enumerate(models):
            for seed in range(10):
                record = make("nbit_memory", network, model, seed, level=0.01 * (i + 1))
                write_record(run, record, example("nbit_memory", 0.01 * i, seed) if seed == 0 else {})
    start = time.process_time()  # not wall time: other work on the machine must not fail this test
    page = write_report(run)
    assert time.process_time() - start < 30
    assert page.stat().st_size < 8e6
    text = "".join(check(page).text)
    assert all(model in text for model in models)
    assert "Not drawn: 22 models of larger error" in text


def test_the_report_starts_without_jax():
    code = "import sys, jslds_bench.report; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_suite_is_shown_as_it_can_be_run(report):
    text = "".join(check(report).text)
    shown = text[text.index("schema = 1") : text.index("Beside this page")]
    assert [t["name"] for t in tomllib.loads(shown)["tasks"]] == ["nbit_memory", "context_integration"]


def test_contexts_have_the_names_that_their_task_gives_them(write_run, make):
    record = make("context_integration", network="cotrained")
    for names, shown in (
        (["motion context", "color context"], ", color context"),
        (["one"], "u* number 1"),
        ("torn", "u* number 1"),
    ):
        named = dataclasses.replace(record, detail={**record.detail, "u_star_names": names})
        found = planned(write_run([named]))
        with theme():
            texts = {t.get_text() for t in found["context_integration+fig3b"].build().findobj(Text)}
            kinds = {t.get_text() for t in found["context_integration+fig3c"].build().findobj(Text)}
        assert any(shown in text for text in texts), texts
        assert any(shown.rpartition(", ")[2] in text for text in kinds)
