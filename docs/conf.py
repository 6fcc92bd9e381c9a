"""The documentation site, `make docs`: pages of entries and of the API are made from the code."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import pages  # noqa: E402, beside this file

from jslds_bench import __version__  # noqa: E402

pages.write_all(HERE / "reference")

project = "jslds-bench"
author = "the jslds-bench authors"
release = version = __version__
extensions = ["myst_nb"]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "sphinx_book_theme"
html_title = "jslds-bench"
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True}
html_copy_source = False
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
# The tutorials are run anew at every build, and an error in one is an error of the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 240
nb_execution_show_tb = True
nitpicky = True
