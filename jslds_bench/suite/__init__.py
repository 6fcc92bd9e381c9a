"""Suites: TOML files that name tasks, networks, models, metrics and seeds, checked and resolved to jobs.

Reading checks everything that the file alone decides; `resolve` checks names and parameters against the
registries, which imports the entries and so JAX.
"""

from jslds_bench.suite.choosing import parse_seeds, select, with_data, with_plugin_models
from jslds_bench.suite.job import Job, Key, Part
from jslds_bench.suite.making import load_plugins, registries
from jslds_bench.suite.reading import NO_NETWORK, grid, load_suite, suite_names
from jslds_bench.suite.resolving import Resolved, resolve
from jslds_bench.suite.toml import Entry, Suite, check_seeds, dump, parse

__all__ = [
    "NO_NETWORK",
    "Entry",
    "Job",
    "Key",
    "Part",
    "Resolved",
    "Suite",
    "check_seeds",
    "dump",
    "grid",
    "load_plugins",
    "load_suite",
    "parse",
    "parse_seeds",
    "registries",
    "resolve",
    "select",
    "suite_names",
    "with_data",
    "with_plugin_models",
]
