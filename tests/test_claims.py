"""What README and docs say of the reference runs, against the values of those runs.

Tables are written from the values (`reports/quote.py`) and must be up to date. A sentence that compares is
here with the words that it has in the documentation and the values that make it true.
"""

import runpy
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
MEMORY, CONTEXT = "nbit_memory", "context_integration"


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


def _least(values, task, network, metric="relative_error"):
    found = values[task, network].xs(metric, level="metric").dropna()
    return found.idxmin()


CLAIMS = {}
"""(file, words that stand there) → what makes them true, of the means of `synthetic`."""


def claim(file, words):
    def keep(check):
        CLAIMS[file, words] = check
        return check

    return keep


@pytest.mark.parametrize(("file", "words"), CLAIMS)
def test_sentences_that_compare_are_true_of_the_reference_run(file, words, of):
    text = " ".join((ROOT / file).read_text("utf-8").split())
    assert words in text, f"{file} no longer says: {words}"
    assert CLAIMS[file, words](of("synthetic"))
