"""The site: what it makes of the code, and that it builds without a warning and needs no network."""

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from browser import CHROMIUM, opened

import jslds_bench
from jslds_bench.suite import registries

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
pages = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(pages)


@pytest.mark.parametrize("module", pages.API)
def test_every_public_name_says_what_it_is(module):
    found = importlib.import_module(module)
    assert found.__doc__
    names = dict(pages.public(found))
    assert names
    assert [name for name, value in names.items() if not inspect.getdoc(value)] == []


def test_what_the_package_offers_is_on_the_page():
    offered = {name for name in jslds_bench.__all__ if not name.startswith("_")}
    assert set(dict(pages.public(jslds_bench))) == offered


def test_every_entry_has_a_page_with_its_parameters(tmp_path):
    pages.write_all(tmp_path)
    for kind, registry in registries().items():
        index = (tmp_path / kind / "index.md").read_text("utf-8")
        for name in registry.registered():
            page = (tmp_path / kind / f"{name}.md").read_text("utf-8")
            assert page.startswith(f"# {name}\n")
            assert "Parameters:" in page
            assert f"[{name}]({name}.md)" in index


def test_words_that_look_like_markup_are_shown_as_they_are():
    assert pages.text("|λ| < 1 and a_t, `a_t * 2`") == "\\|λ\\| \\< 1 and a\\_t, `a_t * 2`"
    assert pages.text("- no list") == "\\- no list"


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_needs_no_network(tmp_path):
    pytest.importorskip("sphinx", reason="the site's packages are in the extra docs")
    words = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    fetched = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//')
    made = sorted(tmp_path.rglob("*.html"))
    assert len(made) > 100
    assert [page.name for page in made if fetched.search(page.read_text("utf-8"))] == []
    if CHROMIUM is not None:  # the theme's own code is not ours to audit
        found = opened(tmp_path / "index.html", 400, audit=False)
        assert (found["broken"], found["fetched"], found["console"]) == ([], [], [])
        assert found["wide"] <= 0
