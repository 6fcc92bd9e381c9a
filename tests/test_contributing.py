"""CONTRIBUTING.md names what it says that it names."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "jslds_bench"
TEXT = (TESTS.parent / "CONTRIBUTING.md").read_text()


def test_slow_tests_are_named_and_no_others():
    (section,) = re.findall(r"\n## Slow tests\n(.*?)\n`make fuzz`", TEXT, re.DOTALL)
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", section))
    by_conftest = {p.name for p in (TESTS / "contract").glob("test_every_*.py")}  # marks some parameters
    files = {p for p in TESTS.rglob("test_*.py") if "mark.slow" in p.read_text()} - {Path(__file__)}
    for path in files:
        where = path.relative_to(TESTS)
        assert {str(where), where.name, f"{where.parent}/"} & named, where
    slow = {f"{p.relative_to(TESTS).parent}/" for p in files} | {p.name for p in files} | by_conftest
    assert {name if name.endswith("/") else Path(name).name for name in named} <= slow


def test_broad_excepts_are_where_it_says():
    (rule,) = re.findall(r"A broad `except` only (.*?)\n- ", TEXT, re.DOTALL)
    broad = re.compile(r"except( \(?(\w+, )*(Base)?Exception\b|:)")
    found = {str(p.relative_to(PACKAGE)) for p in PACKAGE.rglob("*.py") if broad.search(p.read_text())}
    assert found == set(re.findall(r"`([\w/]+\.py)`", rule))
