"""Tables of pages are those of the reference runs; numbers of recipes are those of the code."""

import runpy

from said import ROOT, page

from jslds_bench.dynamics.training import make_recipe
from jslds_bench.models.jslds import FAST_STEPS
from jslds_bench.tasks.nbit_memory import NBitMemory


def test_tables_are_those_of_the_reference_runs():
    quote = runpy.run_path(str(ROOT / "reports" / "quote.py"))
    for name in quote["FILES"]:
        text = (ROOT / name).read_text("utf-8")
        assert quote["quoted_text"](text) == text, f"{name}: run `python reports/quote.py`"


def test_trials_that_a_frozen_jslds_draws_are_those_of_its_recipe():
    recipe = make_recipe("fast", NBitMemory().setup, FAST_STEPS)
    drawn = f"draws fresh trials for each step of training, {recipe.n_steps * recipe.batch:,} in all"
    assert drawn in page("docs/fairness.md")
