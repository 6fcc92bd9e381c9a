"""What README and docs say of the reference runs, against the values of those runs.

Tables are written from the values (`reports/quote.py`) and must be up to date. A sentence that compares is
here with the words that it has in the documentation and the values that make it true.
"""

import runpy
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
MEMORY = "nbit_memory"


@pytest.fixture(scope="module")
def of():
    """run → (task, network, model, metric) → mean over seeds."""

    def values(run):
        frame = pd.read_csv(ROOT / "reports" / "reference" / run / "values.csv")
        frame = frame.assign(value=frame.value.astype(float))
        return frame.groupby(["task", "network", "model", "metric"]).value.mean()

    return values


def test_tables_are_those_of_the_reference_runs():
    quote = runpy.run_path(str(ROOT / "reports" / "quote.py"))
    for name in quote["FILES"]:
        text = (ROOT / name).read_text("utf-8")
        assert quote["quoted_text"](text) == text, f"{name}: run `python reports/quote.py`"


def _groups(values):
    """(relative error, effective number of systems) by model, of each task and network."""
    for place in dict.fromkeys(key[:2] for key in values.index):
        of = values[place].unstack("metric")
        yield place, of.relative_error.dropna(), of.n_systems_effective


def _actual_is_a_third(values):
    star, actual = (
        values[MEMORY, "standard", model, "relative_error"]
        for model in ("fixed_points", "fixed_points_actual")
    )
    return actual < star / 3


def _many_systems_have_the_least_error(values):
    return all(
        errors.idxmin() in ("codebook", "taylor_at_state") and systems[errors.idxmin()] > 100
        for (_, network), errors, systems in _groups(values)
        if network != "cotrained"
    )


def _jslds_is_the_best_of_few_systems(values):
    return all(
        errors[systems[errors.index] < 100].idxmin() == "jslds"
        for (_, network), errors, systems in _groups(values)
        if network == "cotrained"
    )


def _matched_networks_are_harder(values):
    return all(
        values[task, "standard_matched", "fixed_points", "relative_error"]
        > values[task, "standard", "fixed_points", "relative_error"]
        for task in (MEMORY, "context_integration")
    )


CLAIMS = {
    "On these networks fixed points have a larger error than on those that Adam trained": (
        _matched_networks_are_harder
    ),
    "the same fixed points have less than a third of their error at u* on the standard 3-bit networks": (
        _actual_is_a_third
    ),
    "have the least error on every network trained on its task alone, with hundreds of systems": (
        _many_systems_have_the_least_error
    ),
    "fewer than a hundred systems the JSLDS is the best on co-trained networks": (
        _jslds_is_the_best_of_few_systems
    ),
}
"""Words of the README or the fairness page → what makes them true of the means of the run `synthetic`."""


@pytest.mark.parametrize("words", CLAIMS)
def test_sentences_that_compare_are_true_of_the_reference_run(words, of):
    pages = [(ROOT / name).read_text("utf-8") for name in ("README.md", "docs/fairness.md")]
    assert any(words in " ".join(page.split()) for page in pages), f"no page says any more: {words}"
    assert CLAIMS[words](of("synthetic"))
