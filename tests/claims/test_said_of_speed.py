"""What docs/speed.md, docs/design.md and docs/method.md say of `reports/reference/speed` and `quality`."""

import json

import pandas as pd
import pytest
from said import REFERENCE, page

CELLS = ("gru", "vanilla")
STEP, FORWARD, JACOBIANS = "training step", "both systems, forward", "recurrent Jacobians"


@pytest.fixture(scope="module")
def measured():
    """(threads, trials, cell, function, what) → seconds, operations of its products, temporary bytes."""
    frame = pd.read_csv(REFERENCE / "speed" / "values.csv")
    return frame.set_index(["threads", "batch", "cell", "function", "what"]).sort_index()


@pytest.fixture(scope="module")
def to_core(measured):
    """How a figure of `what` compares with that of the core."""

    def of(what, cell, function, threads=1, batch=64, figure="seconds"):
        found = measured[figure]
        return found[threads, batch, cell, function, what] / found[threads, batch, cell, function, "core"]

    return of


def said(*words, on="docs/speed.md"):
    for word in words:
        assert word in page(on)


def test_a_training_step_beside_the_yardstick(to_core):
    said("a quarter less time than the yardstick for the GRU, a sixth less for the tanh network, and a third")
    for cell, less in (("gru", 1 / 4), ("vanilla", 1 / 6)):
        assert 1 - 1 / to_core("yardstick", cell, STEP) == pytest.approx(less, abs=0.03)
        assert 1 / to_core("yardstick", cell, STEP, figure="temporary_bytes") == pytest.approx(
            1 / 3, abs=0.04
        )


def test_the_reverse_pass(measured):
    said("it takes twice as long as the forward pass, as its products would, or less")
    said("two and a half to four times", "three times the memory", on="docs/design.md")
    taken = measured.seconds
    for cell in CELLS:
        ours, plain = (
            taken[1, 64, cell, STEP, what] / taken[1, 64, cell, FORWARD, what] - 1
            for what in ("core", "yardstick")
        )
        assert 1.7 < ours < 2.05
        assert 2.4 < plain < 4.1


def test_its_products_and_their_rate(to_core, measured):
    said("to three fifths (GRU) and seven tenths (tanh) products")
    said("at two thirds (GRU) and four fifths (tanh) of the rate of a large one")
    rates = measured.operations / measured.seconds
    for cell, share, rate in (("gru", 0.6, 2 / 3), ("vanilla", 0.7, 0.8)):
        assert to_core("products", cell, STEP) == pytest.approx(share, abs=0.04)
        of = rates[1, 64, cell, STEP]
        assert of["products"] / of["machine"] == pytest.approx(rate, abs=0.04)


def test_batches_in_parts(to_core):
    said(
        "would take a tenth (GRU) and a fifth (tanh) longer", "two thirds longer, and more than ten times the"
    )
    for cell, longer in (("gru", 0.1), ("vanilla", 0.2)):
        assert to_core("at once", cell, STEP, batch=256) - 1 == pytest.approx(longer, abs=0.04)
        assert to_core("yardstick", cell, STEP, batch=256) == pytest.approx(1.67, abs=0.1)
        assert to_core("yardstick", cell, STEP, batch=256, figure="temporary_bytes") > 10


def test_the_forward_pass_is_no_faster(to_core):
    said("as long as the yardstick's for the tanh network, up to a quarter longer for the GRU")
    assert to_core("yardstick", "vanilla", FORWARD) == pytest.approx(1, abs=0.05)
    assert 0.8 < to_core("yardstick", "gru", FORWARD) < 1


def test_jacobians(to_core):
    said("take a fifth to a sixth of the time of reverse mode", "seven tenths of that time")
    for cell in CELLS:
        assert 0.16 < 1 / to_core("yardstick", cell, JACOBIANS) < 0.21
    assert to_core("products", "gru", JACOBIANS) == pytest.approx(0.7, abs=0.04)


def test_a_second_thread(measured):
    said("brings no step of 256 trials sooner than one thread", "products alone take no less time on two")
    for cell in CELLS:
        for what in ("core", "products"):
            assert measured.seconds[2, 256, cell, STEP, what] > measured.seconds[1, 256, cell, STEP, what]


@pytest.mark.parametrize(
    ("file", "on"), [("quality/machine.json", "docs/method.md"), ("speed/machine.json", "docs/speed.md")]
)
def test_the_machine_is_that_of_the_page(file, on):
    about = json.loads((REFERENCE / file).read_text("utf-8"))
    about = about.get("environment", about)
    assert about["cpu"].replace("(R)", "").replace(" Processor", "") in page(on)
    assert not about["dirty"]
    if on == "docs/method.md":
        assert f"commit {about['commit'][:7]}" in page(on)
