"""Reports and leaderboards in a browser: all is drawn, nothing fetched or run, all fits, axe is content."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import CHROMIUM, REASON, opened, sound

from jslds_bench.report import write_leaderboard, write_report

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=REASON)]
HOSTILE = '"><img src=x onerror="window.executed=1"><script>window.executed=1</script>'
VIEWS = [(1300, False), (400, True)]


def test_what_is_wrong_with_a_page_is_seen(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        '<!DOCTYPE html><html lang="en"><title>bad</title><main><h1>bad</h1>'
        '<p style="color:#ccc;background:#fff">hardly to be read</p><div style="width:900px">wide</div>'
        '<img src="http://nowhere.invalid/a.png" alt="a"></main>'
        "<script>window.executed = 1; nothing()</script>"
    )
    found = opened(page, 400)
    assert found["broken"] == found["fetched"] == ["http://nowhere.invalid/a.png"]
    assert found["wide"] > 0
    assert any("nothing is not defined" in line for line in found["console"])
    assert found["executed"] == "1"
    assert [line for line in found["serious"] if line.startswith("color-contrast")]


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_the_report(report, width, dark):
    found = sound(report, width, dark=dark)
    assert min(found["n_images"], found["n_drawn"]) > 0
    if width == 1300:  # the verdict, the figure that bears it out and the top of the table on one screen
        assert found["tops"][".lead"] < found["tops"]["figure"] < found["tops"]["tbody tr"] < 800


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_the_leaderboard(report, write_named, make, width, dark):
    own = [make("nbit_memory", "standard", m, s) for m in ("jslds", "mine") for s in range(2)]
    other = write_named("other", own)
    found = sound(write_leaderboard([report.parent, other], other.parent / "board"), width, dark=dark)
    assert found["n_drawn"] > 0


def test_a_label_runs_nothing(write_run, make):
    own = [make(model=m, seed=s, reason=HOSTILE) for m in (HOSTILE, "jslds") for s in range(2)]
    own.append(make(model="torn", status="failed", reason=HOSTILE))
    page = write_report(write_run(own, started=HOSTILE))
    assert HOSTILE not in page.read_text()
    assert sound(page, 1300, dark=False)["executed"] == "undefined"
    board = write_leaderboard([page.parent], Path(page.parent.parent) / "board")
    assert sound(board, 1300, dark=False)["executed"] == "undefined"
