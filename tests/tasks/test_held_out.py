"""Trials that a task holds out: like the others, never drawn for training, refused to networks and fits."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from jslds_bench import contract
from jslds_bench.contract.settings.networks.task import held_out_faults
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.records.store import read_records
from jslds_bench.runner import run_suite
from jslds_bench.runner.progress import ProgressBoard
from jslds_bench.settings.draws import PEEKED, TRAINED_ON, purpose_key, without_held_out
from jslds_bench.settings.networks.evaluation import draw_trials, last_quarter_apart, seen_before
from jslds_bench.suite import load_suite
from jslds_bench.tasks._shared.held_out import held_out
from jslds_bench.tasks.delayed_match import DelayedMatch
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.tasks.ready_set_go import ReadySetGo
from jslds_bench.types import TASKS

KEPT = {ReadySetGo: (40, 10), DelayedMatch: (205, 51)}
"""How many different trials there are to be trained on, and to be scored on."""


def different(trials):
    return {np.asarray(inputs).tobytes() for inputs in trials.inputs}


@pytest.mark.parametrize("task", KEPT)
@pytest.mark.parametrize("small", [False, True])
def test_what_is_scored_is_never_fitted_to(task, small):
    made = task(**task.SMOKE) if small else task()
    fit, scored = (draw_trials(made, 0, purpose, 4096) for purpose in ("fit", "evaluation"))
    assert seen_before(scored, fit) == 0
    assert not different(scored) & different(draw_trials(made, 0, "reference", 4096))
    if not small:
        assert (len(different(fit)), len(different(scored))) == KEPT[task]


@pytest.mark.parametrize("task", KEPT)
def test_both_sides_ask_for_all_that_a_trial_is_made_of(task):
    """Each input at each step, of those scored, is met by who is trained on the others."""
    fit, scored = (draw_trials(task(), 0, purpose, 4096).inputs for purpose in ("fit", "evaluation"))
    for used, needed in zip(fit.reshape(4096, -1).T, scored.reshape(4096, -1).T, strict=True):
        assert set(needed) <= set(used)


MOST_LEFT = {ReadySetGo: 5, DelayedMatch: 0}
"""Trials of a fit's last quarter, of 128, that are among the others: what room the last kind left."""


@pytest.mark.parametrize("task", KEPT)
def test_what_a_fit_chooses_by_is_apart_from_the_rest_and_of_one_sort_with_it(task):
    """As many tests match, and intervals are as long, up to the chance of one in five combinations."""
    made, left, matching, places = task(), [], [], []
    for seed in range(20):
        fit = draw_trials(made, seed, "fit", 512)
        most, quarter = fit.part(slice(384)), fit.part(slice(384, None))
        left.append(seen_before(quarter, most))
        matching.append((quarter.targets[:, -1, 0] == 1).mean())
        places.append([np.asarray(x.inputs[..., 1]).argmax(axis=1).mean() for x in (quarter, most)])
    assert max(left) == MOST_LEFT[task]
    assert np.mean(matching) == pytest.approx(0.5 if task is DelayedMatch else 1, abs=0.05)
    apart, rest = np.mean(places, axis=0)
    assert apart == pytest.approx(rest, abs=1)


def test_the_trials_of_a_fit_are_as_drawn_but_for_their_order():
    made = ReadySetGo()
    fit, as_drawn = draw_trials(made, 0, "fit", 512), made.sample(purpose_key(0, "fit"), 512)
    found, expected = (
        sorted(
            np.concatenate(
                [np.asarray(x).reshape(512, -1) for x in (trials.inputs, trials.targets)], 1
            ).tolist()
        )
        for trials in (fit, as_drawn)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    drawn = [np.asarray(inputs).tobytes() for inputs in as_drawn.inputs]
    most = different(fit.part(slice(384)))
    kept = [np.asarray(inputs).tobytes() for inputs in fit.inputs[:380]]
    assert kept == [kind for kind in drawn if kind in most - different(fit.part(slice(384, None)))][:380]


def test_a_draw_without_equal_trials_stays_as_it_was():
    trials = draw_trials(NBitMemory(), 0, "fit", 50)
    for got, expected in zip(last_quarter_apart(trials, 0), trials, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_half_of_the_tests_that_are_held_out_match():
    scored = draw_trials(DelayedMatch(), 0, "evaluation", 2000)
    assert np.mean(scored.targets[:, -1, 0] == 1) == pytest.approx(0.5, abs=0.04)


def test_a_fifth_is_held_out_and_nothing_where_something_would_be_lost():
    pairs = np.indices((5, 10)).reshape(2, -1).T
    one_kind = np.zeros(50, int)
    assert held_out(pairs, one_kind).sum() == 10
    assert held_out(pairs, one_kind).reshape(5, 10).sum(axis=1).tolist() == [2] * 5
    alone = np.arange(4)[:, None]  # without 0 nobody would have met it
    assert not held_out(alone, np.zeros(4, int)).any()
    assert not held_out(pairs, (pairs @ [1, 2]) % 5).any()  # all that are held out are of one kind


@pytest.mark.parametrize("whole", [ReadySetGo(n_before=1), DelayedMatch(2, 1, 3)])
def test_a_task_of_too_few_combinations_says_so_and_is_scored_on_what_it_gives(whole):
    assert not whole.holds_out
    with pytest.raises(UsageError, match="too few"):
        whole.sample_held_out(jax.random.key(0), 8)
    assert list(held_out_faults(whole)) == []
    assert different(draw_trials(whole, 0, "fit", 500)) == different(draw_trials(whole, 0, "evaluation", 500))


@pytest.mark.parametrize("task", KEPT)
def test_the_task_that_others_get_is_equal_and_holds_back(task):
    made = task()
    closed = without_held_out(made)
    assert closed == made
    assert hash(closed) == hash(made)
    np.testing.assert_array_equal(
        closed.sample(jax.random.key(0), 8).inputs, made.sample(jax.random.key(0), 8).inputs
    )
    with pytest.raises(Unsupported, match=PEEKED):
        closed.sample_held_out(jax.random.key(0), 8)
    with pytest.raises(Unsupported, match=PEEKED):
        jax.jit(closed.sample_held_out, static_argnums=1)(jax.random.key(0), 8)
    assert made.sample_held_out(jax.random.key(0), 8).inputs.shape[0] == 8
    other = NBitMemory()
    assert without_held_out(other) is other


SUITE = """
schema = 1
name = "peeking"
seeds = [0, 1]
n_trials = 16
plugins = ["{}"]
[[tasks]]
name = "ready_set_go"
shortest = 2
longest = 4
n_before = 2
n_after = 1
[[networks]]
name = "standard"
n_state = 4
n_steps = 3
[[networks]]
name = "trained_on_them"
n_state = 4
n_steps = 3
[[models]]
name = "peeks"
[[models]]
name = "persistence"
"""


def test_in_a_run_neither_a_fit_nor_what_makes_a_network_gets_them(tmp_path, monkeypatch):
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "peeking.toml").write_text(SUITE.format(Path(__file__).with_name("peeks.py")))
    suite = load_suite(tmp_path / "peeking.toml")
    result = run_suite(suite, tmp_path / "run", workers=1, progress=ProgressBoard(quiet=True))
    records = read_records(result.path)
    found = {(record.network, record.model, record.seed): record for record in records}
    assert len(found) == 8
    for (network, model, _), record in found.items():
        if network == "trained_on_them":
            assert record.status == "failed"
            assert TRAINED_ON in record.reason
        elif model == "peeks":
            assert (record.status, record.reason) == ("failed", PEEKED)
        else:
            assert record.status == "ok"
            assert (record.detail["n_scored"], record.detail["n_scored_seen"]) == (16, 0)


class Given:
    """It holds nothing back."""

    def sample_held_out(self, key, n_trials):
        return self.sample(key, n_trials)


class Unlike:
    def sample_held_out(self, key, n_trials):
        trials = self.sample(key, n_trials)
        return trials._replace(inputs=trials.inputs[:, 1:])


class Raises:
    def sample_held_out(self, key, n_trials):
        raise RuntimeError("not today")


@pytest.mark.parametrize(
    ("has", "said"),
    [
        (Given, "`sample` gives trials that it holds out: 64 of 64 are among 512"),
        (Unlike, "inputs of what it holds out is float32[64, 10, 2], expected float32[64, 11, 2]"),
        (Raises, "`sample_held_out` raised RuntimeError"),
    ],
)
def test_the_contract_of_a_task_that_holds_out(has, said, monkeypatch):
    monkeypatch.setattr(TASKS, "_entries", dict(TASKS._entries))
    mine = type("Mine", (has, ReadySetGo), {"__doc__": ReadySetGo.__doc__, "__module__": __name__})
    TASKS.register("holds_out")(dataclasses.dataclass(frozen=True)(mine))
    findings = [str(finding) for finding in contract.check("tasks", "holds_out").findings]
    assert len(findings) == 1
    assert said in findings[0]


def test_a_task_that_cannot_be_closed_is_told_so(monkeypatch):
    monkeypatch.setattr(TASKS, "_entries", dict(TASKS._entries))

    @TASKS.register("slotted")
    @dataclasses.dataclass(frozen=True, slots=True)
    class Slotted:
        """A task."""

        name = "slotted"
        sample = sample_held_out = ReadySetGo.sample

    (told, *_) = held_out_faults(Slotted())
    assert "leave `slots` out" in told
