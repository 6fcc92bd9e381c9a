"""What docs/speed.md and docs/method.md say of `reports/reference/speed` and `quality`."""

import json

import pandas as pd
import pytest
from said import REFERENCE, page


@pytest.fixture(scope="module")
def seconds():
    """(threads, batch, cell, function, what) → median seconds, with the operations of its products."""
    frame = pd.read_csv(REFERENCE / "speed" / "values.csv")
    return frame.set_index(["threads", "batch", "cell", "function", "what"]).seconds


@pytest.fixture(scope="module")
def ratio(seconds):
    def of(what, cell, function, threads=1, batch=64):
        return seconds[threads, batch, cell, function, what] / seconds[threads, batch, cell, function, "core"]

    return of


STEP, FORWARD, JACOBIANS = "training step", "both systems, forward", "recurrent Jacobians"


def said(*words):
    text = page("docs/speed.md")
    for word in words:
        assert word in text


def test_a_training_step_beside_the_yardstick(ratio):
    said("less than two fifths of the yardstick's time for the GRU, and half of it for the tanh network")
    assert 1 / ratio("yardstick", "gru", STEP) < 0.4
    assert 1 / ratio("yardstick", "vanilla", STEP) == pytest.approx(0.5, abs=0.05)


def test_its_products_and_their_rate(ratio, seconds):
    said("to two thirds products", "at three fifths (GRU) and three quarters (tanh) of the rate of a large")
    frame = pd.read_csv(REFERENCE / "speed" / "values.csv").set_index(
        ["threads", "batch", "cell", "function"]
    )
    for cell, share in (("gru", 0.6), ("vanilla", 0.75)):
        assert ratio("products", cell, STEP) == pytest.approx(2 / 3, abs=0.07)
        of = frame.loc[(1, 64, cell, STEP)].set_index("what")
        rates = of.operations / of.seconds
        assert rates["products"] / rates["machine"] == pytest.approx(share, abs=0.06)


def test_the_forward_pass_is_no_faster(ratio):
    said("takes about as long as the yardstick's")
    for cell in ("gru", "vanilla"):
        assert ratio("yardstick", cell, FORWARD) == pytest.approx(1, abs=0.15)


def test_jacobians(ratio):
    said("take a fifth of the time of reverse mode", "which takes four fifths of the time")
    for cell in ("gru", "vanilla"):
        assert 1 / ratio("yardstick", cell, JACOBIANS) == pytest.approx(0.2, abs=0.04)
    assert ratio("products", "gru", JACOBIANS) == pytest.approx(0.8, abs=0.06)


def test_a_second_thread(seconds):
    said("a step of 256 trials on two takes as long as four of 64 on one")
    for cell in ("gru", "vanilla"):
        four = 4 * seconds[1, 64, cell, STEP, "core"]
        assert seconds[2, 256, cell, STEP, "core"] == pytest.approx(four, rel=0.15)


def test_batches_in_parts(ratio):
    said("they would take a tenth (GRU) and a fifth (tanh) longer")
    assert ratio("at once", "gru", STEP, batch=256) == pytest.approx(1.1, abs=0.05)
    assert ratio("at once", "vanilla", STEP, batch=256) == pytest.approx(1.2, abs=0.05)


def test_the_machine_and_commit_of_quality_are_those_of_its_run():
    about = json.loads((REFERENCE / "quality" / "machine.json").read_text("utf-8"))["environment"]
    assert f"commit {about['commit'][:7]}" in page("docs/method.md")
    assert about["cpu"].replace("(R)", "").startswith("Intel Xeon")
    assert not about["dirty"]
