"""Claims as data: a TOML file of what was said, where, and by which numbers it is decided.

A claim has tests; each compares one number of every seed with a limit, or with another number of that seed.
The verdict is theirs alone (`reproduce.verdicts`): nothing here is code that a file can name.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jslds_bench.entries.registry import nearest
from jslds_bench.errors import UsageError, said
from jslds_bench.files import read_text
from jslds_bench.suite.reading import suite_folder
from jslds_bench.suite.toml import shortened

SCHEMA = 1
LONGEST = 120
"""Characters of a quotation: a line at most."""
_CLAIM = {
    *("id", "says", "place", "quotation", "suite", "task"),
    *("figures", "tests", "lacks", "artefact", "found"),
}
_TEST = {"says", "of", "at_least", "at_most", "below", "published", "because", "task"}
_NUMBER = {"value", "network", "model", "times", "beside"}


@dataclasses.dataclass(frozen=True)
class Number:
    """Where a number comes from: a metric, or a finding (`reproduce.findings`), of a record.

    Attributes:
        value: the name of the metric or finding.
        task, network, model: labels in the claim's suite.
        times: what it is multiplied with.
        beside: the model whose points a finding sets those of `model` against; empty: none.
    """

    value: str
    task: str
    network: str
    model: str
    times: float = 1.0
    beside: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.task, self.network, self.model


@dataclasses.dataclass(frozen=True)
class Test:
    """One condition of a claim: it holds on a seed where `of` is within the limits, and less than `below`.

    Attributes:
        says: the condition in words.
        published: the paper's or its notebook's figure, if there is one.
        because: why the limits are where they are.
    """

    says: str
    of: Number
    at_least: float | None
    at_most: float | None
    below: Number | None
    published: float | None
    because: str


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence of the paper that numbers can decide.

    Attributes:
        id: its name.
        says: the claim in our words; `quotation`: at most a line of the paper's.
        place: where in the paper.
        suite: the suite whose run decides it: a name, or a file (in a claims file, seen from there).
        figures: the paper's panels that show it, such as 2E.
        tests: all of them have to hold.
        lacks: what data the claim is about, where the run has a stand-in for it.
        artefact: why the published figure is not what it says, where that is known.
        found: whether this is not the paper's claim but what was found instead.
    """

    id: str
    says: str
    quotation: str
    place: str
    suite: str
    figures: tuple[str, ...]
    tests: tuple[Test, ...]
    lacks: str = ""
    artefact: str = ""
    found: bool = False


def claims_file() -> Path:
    """The claims of Smith, Linderman and Sussillo (2021)."""
    return suite_folder() / "claims" / "paper.toml"


def read_claims(path: Path | None = None) -> list[Claim]:
    """The claims of a file, by default the paper's.

    Raises:
        UsageError: no such file, no TOML, or something in it is wrong; the message says where.
    """
    path = claims_file() if path is None else path
    try:
        content = tomllib.loads(read_text(path))
    except OSError as error:
        raise UsageError(f"the claims {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{path}: not valid TOML: {said(error)}") from None
    if content.get("schema") != SCHEMA:
        raise UsageError(f"{path}: schema is {content.get('schema')!r}, expected {SCHEMA}")
    tables = content.get("claims")
    if not isinstance(tables, list) or not tables:
        raise UsageError(f"{path}: expected one [[claims]] table at least")
    claims = [_claim(table, f"{path}: claim {i}", path.parent) for i, table in enumerate(tables, 1)]
    names = [claim.id for claim in claims]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{path}: two claims have the id {twice!r}")
    return claims


def chosen(claims: list[Claim], names: list[str]) -> list[Claim]:
    """The claims of these ids; all where none is named.

    Raises:
        UsageError: an id that no claim has.
    """
    known = [claim.id for claim in claims]
    for name in names:
        if name not in known:
            raise UsageError(f"no claim {name!r}{nearest(name, known)} (known: {', '.join(known)})")
    return [claim for claim in claims if not names or claim.id in names]


def _claim(table: Any, where: str, folder: Path) -> Claim:
    _keys(table, _CLAIM, where)
    where = f"{where} ({_text(table, 'id', where)})"
    quotation = _text(table, "quotation", where, "")
    if len(quotation) > LONGEST:
        raise UsageError(
            f"{where}: the quotation has {len(quotation)} characters, expected at most {LONGEST}"
        )
    tests = table.get("tests")
    if not isinstance(tests, list) or not tests:
        raise UsageError(f"{where}: expected one [[claims.tests]] table at least")
    figures = table.get("figures", [])
    if not isinstance(figures, list) or not all(isinstance(f, str) for f in figures):
        raise UsageError(f"{where}: figures is {figures!r}, expected a list such as ['2E']")
    task, suite = _text(table, "task", where), _text(table, "suite", where)
    return Claim(
        id=table["id"],
        says=_text(table, "says", where),
        quotation=quotation,
        place=_text(table, "place", where),
        suite=str(folder / suite) if suite.endswith(".toml") else suite,
        figures=tuple(figures),
        tests=tuple(_test(t, task, f"{where}, test {i}") for i, t in enumerate(tests, 1)),
        lacks=_text(table, "lacks", where, ""),
        artefact=_text(table, "artefact", where, ""),
        found=table.get("found") is True,
    )


def _test(table: Any, task: str, where: str) -> Test:
    _keys(table, _TEST, where)
    below = table.get("below")
    limits = {name: _number(table, name, where) for name in ("at_least", "at_most")}
    if below is None and limits == {"at_least": None, "at_most": None}:
        raise UsageError(f"{where}: expected a limit (at_least, at_most) or what it is below")
    task = _text(table, "task", where, task)
    return Test(
        says=_text(table, "says", where),
        of=_source(table.get("of"), task, f"{where}, of"),
        below=None if below is None else _source(below, task, f"{where}, below"),
        published=_number(table, "published", where),
        because=_text(table, "because", where),
        **limits,
    )


def _source(table: Any, task: str, where: str) -> Number:
    _keys(table, _NUMBER, where)
    times = _number(table, "times", where)
    named = {name: _text(table, name, where) for name in ("value", "network", "model")}
    beside = _text(table, "beside", where, "")
    return Number(task=task, times=1.0 if times is None else times, beside=beside, **named)


def _keys(table: Any, known: set[str], where: str) -> None:
    if not isinstance(table, Mapping):
        raise UsageError(f"{where}: got {table!r}, expected a table")
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: unknown key {key!r}{nearest(key, sorted(known))}")


def _text(table: Mapping[str, Any], name: str, where: str, default: str | None = None) -> str:
    value = table.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise UsageError(f"{where}: {name} is {value!r}, expected text")
    return value


def _number(table: Mapping[str, Any], name: str, where: str) -> float | None:
    value = table.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UsageError(f"{where}: {name} is {shortened(value)}, expected a number")
    try:
        return None if value is None else float(value)
    except OverflowError:
        raise UsageError(f"{where}: {name} is {shortened(value)}, more than any number here") from None
