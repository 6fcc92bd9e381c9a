"""Suites by name or file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

from jslds_bench.entries.registry import nearest
from jslds_bench.errors import UsageError, said
from jslds_bench.files import read_text
from jslds_bench.suite.toml import Entry, Suite, parse, shown

NO_NETWORK = Entry("data", "data")
"""Stands for the network of jobs that have none."""


def suite_folder() -> Path:
    """Where the package's own suites are: inside it in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return inside if (inside := package / "_suites").is_dir() else package.parent / "suites"


def suite_names() -> list[str]:
    """The names of the package's own suites."""
    return sorted(path.stem for path in suite_folder().glob("*.toml"))


def load_suite(name_or_path: str | Path) -> Suite:
    """The suite of that name, or in that file; checked as far as the file alone allows.

    Raises:
        UsageError: no such suite, not TOML, or something in it is wrong; the message says where.
    """
    text = str(name_or_path)
    if text in suite_names():
        path = suite_folder() / f"{text}.toml"
    elif "/" in text or text.endswith(".toml") or os.path.isfile(text):
        path = Path(os.path.abspath(os.path.expanduser(text)))
    else:
        known = suite_names()
        raise UsageError(
            f"unknown suite {text!r}{nearest(text, known)} "
            f"(known: {', '.join(known) or 'none'}; or give the path of a .toml file)"
        )
    try:
        content = tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise UsageError(
            f"no suite file at {shown(path)} (or name one of: {', '.join(suite_names())})"
        ) from None
    except OSError as error:
        raise UsageError(f"suite file {shown(path)} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{shown(path)}: not UTF-8 text (byte {error.start}); a suite is a TOML file"
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:  # huge integers, absurd nesting
        raise UsageError(f"{shown(path)}: not valid TOML: {said(error)}") from None
    suite = parse(content, path)
    if not any(grid(suite)):
        raise UsageError(f"{suite.where}: leaves no job to run: its restrictions exclude each other")
    return suite


def grid(suite: Suite) -> Iterator[tuple[Entry, Entry, Entry, int]]:
    """(task, network, model, seed) of every job of `suite` in running order."""
    for task in suite.tasks:
        for network in suite.networks or (NO_NETWORK,):
            if network.tasks is not None and task.label not in network.tasks:
                continue
            for seed in suite.seeds:
                for model in suite.models:
                    if (model.tasks is None or task.label in model.tasks) and (
                        model.networks is None or network.label in model.networks
                    ):
                        yield task, network, model, seed
