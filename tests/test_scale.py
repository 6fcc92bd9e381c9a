"""What documentation quotes of large runs is what `reports/scale.py` measures."""

import importlib.util
import sys

import pandas as pd
import pytest

from jslds_bench.runner.machine import PACKAGE

ROOT = PACKAGE.parent


@pytest.fixture
def scale(monkeypatch, tmp_path):
    """The script, of small runs and a small cluster, with a file of its own."""
    spec = importlib.util.spec_from_file_location("scale", ROOT / "reports" / "scale.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, value in {"RUN": (40,), "PLANNED": (40, 4000), "WORKERS": 100}.items():
        monkeypatch.setattr(script, name, value)
    monkeypatch.setattr(script, "FILE", tmp_path / "values.csv")
    return script


def test_the_script_measures_what_is_quoted(scale, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["scale.py", str(tmp_path / "runs")])
    scale.main()
    found = pd.read_csv(tmp_path / "values.csv")
    quoted = pd.read_csv(ROOT / "reports" / "reference" / "scale" / "values.csv")
    kinds = ["what", "unit"]
    assert set(found[kinds].itertuples(index=False)) == set(quoted[kinds].itertuples(index=False))
    assert (found.value > 0).all()
    assert not list((tmp_path / "runs").iterdir())


def test_a_runner_that_takes_no_time_costs_none(scale):
    longer = [value for *_, value in scale.kept_busy(0.0)]
    assert longer == [1.0] * len(scale.SECONDS)
    slow = [value for *_, value in scale.kept_busy(1.0)]  # 400 parts, one a second
    assert slow[0] > 5
    assert slow == sorted(slow, reverse=True)
