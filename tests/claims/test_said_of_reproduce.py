"""What pages say of `reproduce`."""

import json

import numpy as np
import pandas as pd
from said import MEMORY, REFERENCE, page


def _scored(claim, test):
    file = REFERENCE / "reproduce" / "claims.json"
    found = {c["id"]: c for c in json.loads(file.read_text("utf-8"))["claims"]}
    return np.array(list(found[claim]["tests"][test]["values"].values()), float)


def test_what_is_said_of_the_start_of_co_training_is_so():
    text = page("docs/fairness.md")
    assert "0.0093 for 0.0056 of the JSLDS and 0.22 for 0.052 of fixed points, or by nrmse 0.029 for" in text
    frame = pd.read_csv(REFERENCE / "reproduce" / "reproduce.csv")
    frame = frame[frame.task == MEMORY].assign(value=lambda x: pd.to_numeric(x.value, errors="coerce"))
    mean = frame.groupby(["model", "metric", "network"]).value.mean()

    def pair(model, metric, digits):
        return [round(mean[model, metric, n], digits) for n in ("from_random", "cotrained")]

    assert pair("jslds", "relative_error", 4) == [0.0093, 0.0056]
    assert pair("fixed_points", "relative_error", 3) == [0.223, 0.052]
    assert pair("jslds", "nrmse", 3) == [0.029, 0.022]
    assert pair("fixed_points", "nrmse", 2) == [0.73, 0.22]
    assert mean["jslds", "relative_error", "from_random"] < 0.0465


def test_what_is_said_of_claims_that_do_not_hold_is_so():
    text = page("docs/reproduce.md")

    def ends(values, digits=1):
        return round(values.min(), digits), round(values.max(), digits)

    assert (
        "two and three eigenvalues lie within 0.025 of 1 on two seeds, as in the paper, and none on" in text
    )
    assert sorted(_scored("memory-eight", 1)) == [0, 2, 3]
    assert "the first eigenvalue is 1 to within 0.002" in text
    assert _scored("context-modes", 0).max() <= 0.002
    assert "They lie 0.4 to 0.6 radii from the nearest visited state" in text
    assert ends(_scored("instead-far", 1)) == (0.4, 0.6)
    assert "they lie at 1.3 to 1.7, with seven to nine eigenvalues near 1" in text
    assert ends(_scored("instead-far", 0)) == (1.3, 1.7)
    assert ends(_scored("instead-far", 2)) == (7, 9)
    assert "and the second, at 0.95 to 0.96, forgets over 20 to 23 steps and not over five" in text
    second = _scored("context-modes", 1)
    assert ends(second, 2) == (0.95, 0.96)
    assert [round(-1 / np.log(x)) for x in (second.min(), second.max())] == [20, 23]
