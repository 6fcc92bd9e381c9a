"""What docs/speed.md, docs/design.md and docs/method.md say of `reports/reference/speed` and `quality`."""

import json

import pandas as pd
import pytest
from said import REFERENCE, page

CELLS = ("gru", "vanilla")
STEP, FORWARD, JACOBIANS = "training step", "both systems, forward", "recurrent Jacobians"


@pytest.fixture(scope="module")
def measured():
    """(threads, trials, cell, function, what) → of each process the seconds, operations of its products,
    temporary bytes."""
    frame = pd.read_csv(REFERENCE / "speed" / "values.csv")
    names = ["threads", "batch", "cell", "function", "what"]
    return {key: of.set_index("process") for key, of in frame.groupby(names)}


@pytest.fixture(scope="module")
def ratio(measured):
    """The median over processes of how a figure of `what` compares with that of another."""

    def of(what, cell, function, threads=1, batch=64, figure="seconds", to="core"):
        found = (measured[threads, batch, cell, function, name][figure] for name in (what, to))
        return (next(found) / next(found)).median()

    return of


def said(*words, on="docs/speed.md"):
    for word in words:
        assert word in page(on)


def test_a_training_step_beside_the_yardstick(ratio):
    said("a sixth less time than the yardstick, and a third of the memory")
    for cell in CELLS:
        assert 1 - 1 / ratio("yardstick", cell, STEP) == pytest.approx(1 / 6, abs=0.02)
        assert 1 / ratio("yardstick", cell, STEP, figure="temporary_bytes") == pytest.approx(1 / 3, abs=0.04)


def test_the_reverse_pass(measured):
    said(
        "it takes 2.1 (GRU) and 1.7 times (tanh) as long as the forward pass", "3.0 and 2.4 times as long as"
    )
    said("2.4 to 3 times the forward time", "three times the memory", on="docs/design.md")
    for cell, *shown in (("gru", 2.1, 3.0), ("vanilla", 1.7, 2.4)):
        for what, times in zip(("core", "yardstick"), shown, strict=True):
            step, forward = (measured[1, 64, cell, name, what].seconds for name in (STEP, FORWARD))
            assert (step / forward - 1).median() == pytest.approx(times, abs=0.05)


def test_its_products_and_their_rate(ratio, measured):
    said("to two thirds (GRU) and three quarters (tanh) products")
    said("at two thirds (GRU) and three quarters (tanh) of the rate of a large one")
    said("1.8 (GRU) and 1.6 times (tanh) as fast as the yardstick, and a forward pass 1.4 times")
    for cell, share, fastest in (("gru", 2 / 3, 1.8), ("vanilla", 3 / 4, 1.6)):
        assert ratio("products", cell, STEP) == pytest.approx(share, abs=0.03)
        of, machine = (measured[1, 64, cell, STEP, what] for what in ("products", "machine"))
        rates = (of.operations / of.seconds) / (machine.operations / machine.seconds)
        assert rates.median() == pytest.approx(share, abs=0.03)
        assert ratio("yardstick", cell, STEP, to="products") == pytest.approx(fastest, abs=0.05)
        assert ratio("yardstick", cell, FORWARD, to="products") == pytest.approx(1.4, abs=0.05)


def test_batches_in_parts(ratio):
    said(
        "would take a twentieth (GRU) and a fifth (tanh) longer",
        "it takes 1.5 and 1.6 times as long, and more",
    )
    for cell, longer, times in (("gru", 0.05, 1.5), ("vanilla", 0.2, 1.6)):
        assert ratio("at once", cell, STEP, batch=256) - 1 == pytest.approx(longer, abs=0.02)
        assert ratio("yardstick", cell, STEP, batch=256) == pytest.approx(times, abs=0.05)
        assert ratio("yardstick", cell, STEP, batch=256, figure="temporary_bytes") > 10


def test_the_forward_pass_is_no_faster(ratio):
    said("as long as the yardstick's for the tanh network, a tenth longer for the GRU")
    assert ratio("yardstick", "vanilla", FORWARD) == pytest.approx(1, abs=0.03)
    assert 1 / ratio("yardstick", "gru", FORWARD) == pytest.approx(1.1, abs=0.03)


def test_jacobians(ratio):
    said("take less than a fifth of the time of reverse mode", "two thirds of that time, where reverse mode")
    for cell in CELLS:
        assert ratio("yardstick", cell, JACOBIANS) > 5
    assert ratio("products", "gru", JACOBIANS) == pytest.approx(2 / 3, abs=0.03)


def test_a_second_thread(measured):
    said(
        "moves a step of 256 trials by a tenth at most, to either side", "alone take a fifth less time on two"
    )
    for cell, bounds in (("gru", (0.9, 1)), ("vanilla", (1, 1.1))):
        for what, (low, high) in {"core": bounds, "products": (0.78, 0.84)}.items():
            one, two = (measured[threads, 256, cell, STEP, what].seconds for threads in (1, 2))
            assert low < (two / one).median() < high


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
