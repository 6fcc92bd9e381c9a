"""Claims: what the paper's file says, how it is judged, and that a broken network turns exactly its own."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import tomllib

import numpy as np
import pytest
from browser import CHROMIUM, REASON, sound
from ideal import write_networks, write_spikes

from jslds_bench.analysis.decomposition import n_near_one
from jslds_bench.cli import main
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import UsageError
from jslds_bench.records.store import read_arrays, read_record, write_record
from jslds_bench.report.data.arrays import Arrays
from jslds_bench.report.data.run import load_data
from jslds_bench.reproduce.claims import claims_file, read_claims
from jslds_bench.reproduce.findings import FINDINGS, expansions, find
from jslds_bench.reproduce.page import write_scorecard
from jslds_bench.reproduce.verdicts import judge
from jslds_bench.suite import load_suite

CLAIMS = read_claims()
OF_NETWORKS = [c for c in CLAIMS if c.suite == "reproduce"]


def verdicts(run):
    data = load_data(run)
    return {claim.id: judge(claim, data).verdict for claim in OF_NETWORKS}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_networks(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def whole(run):
    return verdicts(run)


@pytest.fixture
def broken(run, tmp_path):
    """(which records, what is done to each) → a copy of the run with these changed."""

    def make(only, change):
        shutil.copytree(run, tmp_path / "run")
        return write_networks(tmp_path / "run", change, only)

    return make


def test_networks_that_bear_the_claims_out_reproduce_all_of_them(whole):
    expected = dict.fromkeys(whole, "reproduced") | {"context-baseline": "published figure is an artefact"}
    assert whole == expected


def test_of_trials_that_end_before_they_have_settled_all_steps_count():
    arrays = {"mask": np.array([0.0, 1.0]), "example_states": np.zeros((3, 3, 2))}
    arrays |= {"expansion": np.arange(12.0).reshape(6, 2), "expansion_u_star": np.zeros(6)}
    assert len(expansions(arrays)[0]) == 6


def _no_selection(arrays):
    arrays["systems_left"][:4] = arrays["systems_left"][4:]  # both contexts take up color


def _moved_choice(arrays):
    arrays["choice_run"][..., 0] += np.arange(26) * 0.5 * arrays["choice_evidence"][:, :1]


def _no_line(arrays):
    arrays["expansion"] += np.random.default_rng(0).normal(size=arrays["expansion"].shape).astype("f4") / 2


def _seven(arrays):
    corner = arrays["systems_e"][0]
    near = np.linalg.norm(arrays["expansion"] - corner, axis=1) < 0.5
    arrays["expansion"][near] = arrays["systems_e"][1]


def _unstable(arrays):
    arrays["systems_values"][:, 0] = 0.8


def _far(arrays):
    arrays["expansion"] += 3.0


def _few_slow(arrays):
    arrays["systems_values"][:, 2:] = 0.5


def _both_flip(arrays):
    arrays["systems_b"][:] = arrays["systems_b"].mean(axis=2, keepdims=True)


def _elsewhere(arrays):
    arrays["model_points"] += 1.0


ARRAYS_BROKEN = {
    "selection": ("context_integration", "cotrained", "jslds", _no_selection, {"context-selection"}),
    "choice": ("context_integration", "cotrained", "jslds", _moved_choice, {"context-irrelevant"}),
    "no line": ("context_integration", "cotrained", "jslds", _no_line, {"context-lines"}),
    "seven points": ("nbit_memory", "cotrained", "jslds", _seven, {"memory-eight"}),
    "seven from standard": ("nbit_memory", "from_standard", "jslds", _seven, {"memory-from-standard"}),
    "not marginal": ("nbit_memory", "cotrained", "jslds", _unstable, {"memory-eight"}),
    "leaks": ("context_integration", "cotrained", "jslds", _unstable, {"context-modes"}),
    "standard leaks": (
        "context_integration", "standard", "fixed_points", _unstable, {"context-unchanged"},
    ),
    "inputs": ("nbit_memory", "cotrained", "jslds", _both_flip, {"memory-inputs"}),
    "far by the recipe": (
        "nbit_memory", "cotrained", "jslds", _far, {"instead-far", "memory-coincide", "memory-eight"},
    ),
    "few slow": ("nbit_memory", "from_random", "jslds", _few_slow, {"instead-far"}),
    "points elsewhere": ("nbit_memory", "cotrained", "fixed_points_blind", _elsewhere, {"memory-coincide"}),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS_BROKEN)
def test_a_broken_network_turns_exactly_its_own_claims(case, whole, broken):
    task, network, model, spoil, turned = ARRAYS_BROKEN[case]
    now = verdicts(broken(lambda key: key[:3] == (task, network, model), lambda _, a, numbers: spoil(a)))
    assert {name for name in now if now[name] != whole[name]} == turned


def test_one_seed_of_three_makes_a_claim_hold_in_part(whole, broken):
    def change(key, arrays, numbers):
        numbers["relative_error"] = 0.29

    data = load_data(broken(lambda key: key == ("nbit_memory", "cotrained", "jslds", 1), change))
    judged = {claim.id: judge(claim, data) for claim in OF_NETWORKS}
    changed = {name for name, one in judged.items() if one.verdict != whole[name]}
    assert changed == {"memory-error"}
    assert judged["memory-error"].verdict == "in part"
    assert "2 of 3 seeds" in judged["memory-error"].why


def test_what_diverged_counts_against_a_claim(whole, broken):
    def change(key, arrays, numbers):
        numbers["relative_error"] = np.inf

    now = verdicts(broken(lambda key: key[:3] == ("context_integration", "cotrained", "jslds"), change))
    turned = {"context-error": "not reproduced", "instead-start": "in part"}
    assert {n: now[n] for n in now if now[n] != whole[n]} == turned


def test_a_finding_of_points_of_a_run_that_diverged_is_infinite(run):
    for place in ("nbit_memory/cotrained", "context_integration/cotrained"):
        (path,) = (run / "records").rglob(f"{place}/jslds/seed-0.json")
        arrays = dict(read_arrays(path, read_record(path)))
        lost = {**arrays, "expansion": np.full_like(arrays["expansion"], np.nan)}
        lost["expansion"][0] = arrays["expansion"][0]
        for name, finding in FINDINGS.items():
            whole = [Arrays(x) for x in (arrays, arrays)]
            if "expansion" in finding.needs and not np.isnan(find(name, *whole)[0]):
                found = find(name, Arrays(lost), whole[1])
                assert found == (np.inf, "the free run of a trial diverged"), name


def test_suites_with_tasks_in_common_have_figures_of_their_own(run, tmp_path):
    data = load_data(run)
    claims = [c for c in OF_NETWORKS if "fig2e" in c.figures]
    again = [dataclasses.replace(c, id=f"{c.id}-again", suite="again") for c in claims]
    judged = [judge(claim, data) for claim in (*claims, *again)]
    page = write_scorecard(judged, {"reproduce": data, "again": data}, tmp_path, "").read_text("utf-8")
    anchors = re.findall('id="([^"]+fig2e)"', page)
    assert len(anchors) == len(set(anchors)) == 2
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.svg")}
    assert {"reproduce", "again"} <= {name.split("+")[0] for name in drawn}
    for claim in (*claims, *again):
        body = page.split(f'id="claim-{claim.id}"')[1].split("</tbody>")[0]
        assert re.findall('href="#([^"+]+)', body) == [claim.suite] * len(claim.figures)


def test_a_seed_without_a_number_is_none_on_which_the_claim_holds(broken):
    def change(key, arrays, numbers):
        del numbers["fixed_point_speed"]

    run = broken(lambda key: key == ("nbit_memory", "cotrained", "jslds", 2), change)
    for seed in (3, 4):  # so that three have it
        for path in sorted((run / "records").rglob("seed-0.json")):
            record = read_record(path)
            write_record(run, dataclasses.replace(record, seed=seed), read_arrays(path, record))
    (claim,) = [c for c in CLAIMS if c.id == "memory-coincide"]
    one = judge(claim, load_data(run))
    assert one.verdict == "in part"
    assert "4 of 5 seeds, 1 without a number (fixed_point_speed of jslds on cotrained: " in one.why


def test_rare_systems_on_the_way_do_not_outweigh_where_points_rest(run):
    """Eight kept in transit, which a few of the expansion points are nearest to."""
    path = next(iter((run / "records").rglob("nbit_memory/cotrained/jslds/seed-0.json")))
    arrays = dict(read_arrays(path, read_record(path)))
    found = find("near_one", Arrays(arrays))
    rare = arrays["systems_values"].copy()
    rare[:] = 0.1
    arrays["systems_values"] = np.concatenate([arrays["systems_values"], rare, rare])
    arrays["systems_e"] = np.concatenate([arrays["systems_e"], np.tile(5 + arrays["systems_e"], (2, 1))])
    arrays["systems_u_star"] = np.tile(arrays["systems_u_star"], 3)
    assert np.median(n_near_one(arrays["systems_values"])) == 0
    assert find("near_one", Arrays(arrays)) == found == (2.0, "")


def test_one_plane_meets_one_jpc_plane():
    angles = np.array([[10.0, 20, 80], [80, 80, 80], [80, 80, 39]])
    assert find("jpc_planes_met", Arrays({"spikes_jpca_angles": angles}))[0] == pytest.approx(2 / 3)


def test_without_a_value_nothing_is_told(broken):
    def change(key, arrays, numbers):
        numbers.clear()
        arrays.clear()

    data = load_data(broken(lambda key: key[0] == "context_integration" and key[3] == 2, change))
    judged = [judge(claim, data) for claim in OF_NETWORKS]
    for one in judged:
        of_context = any(test.of.task == "context_integration" for test in one.claim.tests)
        assert (one.verdict == "cannot tell") == of_context, one.claim.id
        assert bool(one.why) == of_context


def test_a_claim_about_data_that_are_not_at_hand_says_so(tmp_path):
    data = load_data(write_spikes(tmp_path))
    for claim in CLAIMS:
        if claim.suite == "reproduce_spikes":
            one = judge(claim, data)
            assert one.verdict == ("reproduced" if claim.found else "needs data")
            assert claim.found or one.why.endswith("on the stand-in: reproduced")


def test_every_claim_names_what_there_is():
    import jslds_bench.metrics  # noqa: F401, importing registers them

    suites = {name: load_suite(name) for name in {claim.suite for claim in CLAIMS}}
    for claim in CLAIMS:
        suite = suites[claim.suite]
        networks = {entry.label for entry in suite.networks} or {"data"}
        for test in claim.tests:
            for number in filter(None, (test.of, test.below)):
                assert number.value in FINDINGS or number.value in METRICS, number
                assert number.network in networks
                assert {number.model, number.beside or number.model} <= {m.label for m in suite.models}
                assert number.task in {entry.label for entry in suite.tasks}


def test_quotations_are_of_a_line_and_reasons_are_given():
    for claim in CLAIMS:
        assert len(claim.quotation) <= 120
        assert claim.place
        for test in claim.tests:
            assert len(test.because) > 15


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("schema = 1", "schema = 7", "schema is 7, expected 1"),
        ('id = "memory-eight"', 'id = "memory-error"', "two claims have the id 'memory-error'"),
        ("at_most = 0.056", 'at_most = "much"', "at_most is 'much', expected a number"),
        ("at_most = 0.056", "atmost = 0.056", "unknown key 'atmost' – did you mean 'at_most'"),
        ("published = 0.0465\nbecause", "because", ""),
        ('place = "section 4.1, Fig. 2E"', "place = 3", "place is 3, expected text"),
        ("[[claims]]", "[[claim]]", "expected one [[claims]] table at least"),
    ],
)
def test_a_wrong_file_is_refused_in_words(old, new, said, tmp_path):
    text = claims_file().read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    if not said:
        assert read_claims(file)
        return
    with pytest.raises(UsageError) as refused:
        read_claims(file)
    assert said.replace(" – did you mean 'at_most'", "") in str(refused.value)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason=REASON)
@pytest.mark.parametrize(("width", "dark"), [(1300, False), (400, True)])
def test_the_scorecard_in_a_browser(run, tmp_path, width, dark):
    shutil.copytree(run, tmp_path / "reproduce")
    write_spikes(tmp_path / "reproduce_spikes")
    assert main(["reproduce", "--no-run", "--out", str(tmp_path)]) == 0
    found = sound(tmp_path / "index.html", width, dark=dark)
    assert found["n_drawn"] + found["n_images"] > 5


def test_the_scorecard_is_of_records_alone_and_equal_bytes(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "reproduce")
    write_spikes(tmp_path / "reproduce_spikes")
    pages = []
    for _ in range(2):
        assert main(["reproduce", "--no-run", "--out", str(tmp_path)]) == 0
        pages.append((tmp_path / "index.html").read_bytes())
    said = capsys.readouterr().out
    assert pages[0] == pages[1]
    text = pages[0].decode()
    card = json.loads((tmp_path / "claims.json").read_text())
    assert [c["id"] for c in card["claims"]] == [c.id for c in CLAIMS]
    for claim in CLAIMS:
        assert f'id="claim-{claim.id}"' in text
        assert claim.id in said
    assert "jslds-bench reproduce --seeds 3" in text
    assert "1 published figure is an artefact" in said
    for figure in ("fig2a", "fig2e", "fig3di", "fig3j", "fig3k"):
        assert f"+{figure}" in text


def test_unknown_claims_and_seeds_are_usage_errors(tmp_path, capsys):
    assert main(["reproduce", "--claim", "memory-eigth", "--out", str(tmp_path)]) == 3
    assert "memory-eight" in capsys.readouterr().err
    assert main(["reproduce", "--seeds", "0", "--out", str(tmp_path)]) == 3
    assert "--seeds is 0" in capsys.readouterr().err
    assert main(["reproduce", "--file", str(tmp_path / "none.toml")]) == 3
    assert "cannot be read" in capsys.readouterr().err
    assert tomllib.loads(claims_file().read_text(encoding="utf-8"))["schema"] == 1
