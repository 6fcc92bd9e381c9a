"""Records that somebody changed and gave a valid checksum: reported, compared or refused, in one line."""

from __future__ import annotations

import copy
import json
import random
import shutil
from pathlib import Path

import pytest

from jslds_bench.compare import as_text, compare, read_side
from jslds_bench.errors import UsageError
from jslds_bench.records.sealed import read_json, write_json
from jslds_bench.records.table import load_run
from jslds_bench.report import format_table, load_data, write_leaderboard, write_report

GOLDEN = Path(__file__).parents[1] / "golden" / "settings-4"
ODD = [None, True, -1, 10**30, 1.5, "", "x", "\x1b[2J<script>", [], {}, [None], {"a": []}, [[1.0]], "nan"]


def leaves(body, place=()):
    """The places of all values in a JSON object, inner ones too."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield (*place, key)
        if isinstance(value, dict | list) and len(place) < 6:
            yield from leaves(value, (*place, key))


def changed(body, place, value):
    body = copy.deepcopy(body)
    *way, last = place
    at = body
    for key in way:
        at = at[key]
    if value == "gone":
        del at[last]
    else:
        at[last] = value
    return body


def used(run: Path, out: Path) -> str:
    """What all readers make of the run: a refusal, or nothing."""
    try:
        format_table(load_data(run))
        load_run(run)
        as_text(compare(read_side(run), read_side(run)))
        return ""
    except UsageError as error:
        return str(error)


@pytest.mark.parametrize("part", range(4))
def test_changed_values_are_read_or_refused(part, tmp_path):
    run = shutil.copytree(GOLDEN, tmp_path / "run")
    rng = random.Random(part)
    files = sorted(run.glob("records/*/*/*/*.json"))
    refusals = 0
    for _ in range(100):
        path = rng.choice([*files, run / "run.json"])
        whole = path.read_bytes()
        body = json.loads(whole)
        del body["checksum"]
        place = rng.choice(list(leaves(body)))
        write_json(path, changed(body, place, rng.choice([*ODD, "gone"])))
        said = used(run, tmp_path)
        assert said.isprintable(), (place, said)
        assert not said or str(path) in said or "run.json" in said, (place, said)
        refusals += bool(said)
        path.write_bytes(whole)
    assert 0 < refusals < 100
    assert read_json(run / "run.json", "run")


@pytest.mark.parametrize("part", range(2))
def test_pages_of_changed_values_are_written_or_refused(part, tmp_path):
    run = shutil.copytree(GOLDEN, tmp_path / "run")
    rng = random.Random(100 + part)
    files = sorted(run.glob("records/*/*/*/*.json"))
    for _ in range(4):
        # Several at once: pages take long.
        for path in files:
            body = json.loads(path.read_bytes())
            del body["checksum"]
            inner = [
                p for p in leaves(body) if p[0] in ("detail", "environment", "parameters") and len(p) > 1
            ]
            for place in rng.sample(inner, 2):
                try:
                    body = changed(body, place, rng.choice(ODD))
                except (KeyError, IndexError, TypeError):  # the first change took the second's place away
                    continue
            write_json(path, body)
        try:
            page = write_report(run).read_text()
            board = write_leaderboard([run, run], tmp_path / "board").read_text()
        except UsageError as error:
            page, board = str(error), ""
        assert "<script>" not in page.replace("<script>document", "")
        assert "\x1b" not in page + board
        shutil.copytree(GOLDEN, run, dirs_exist_ok=True)
