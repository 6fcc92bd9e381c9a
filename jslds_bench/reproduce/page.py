"""The scorecard: claims with their verdicts, and the paper's figures of these runs beside their claims."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from jslds_bench.records.numbers import counted, number
from jslds_bench.records.sealed import sweep, write_atomic
from jslds_bench.records.store import slug
from jslds_bench.report.data.run import RunData
from jslds_bench.report.facts import Fact, facts
from jslds_bench.report.html import fill, remove_others, write_figure
from jslds_bench.report.plans.every import plans
from jslds_bench.report.plans.paper import GROUP
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.style import theme
from jslds_bench.reproduce.claims import Number
from jslds_bench.reproduce.findings import FINDINGS
from jslds_bench.reproduce.verdicts import Judged, Outcome

SCHEMA = 1
MARKS = {
    "reproduced": "good",
    "in part": "half",
    "not reproduced": "bad",
    "cannot tell": "none",
    "needs data": "none",
    "published figure is an artefact": "half",
}
"""The class that a verdict has on the page."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One test as the table shows it."""

    says: str
    limit: str
    published: str
    mean: str
    ends: str
    seeds: str
    because: str
    of: str
    missing: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """A claim on the page."""

    judged: Judged
    mark: str
    rows: list[Row]
    panels: list[str]


@dataclasses.dataclass(frozen=True)
class Panel:
    """A figure of the paper for a run, or why there is none, and the claims that it shows."""

    anchor: str
    plan: Plan
    svg: Markup | None
    claims: list[Entry]


def write_scorecard(judged: Sequence[Judged], runs: Mapping[str, RunData], out: Path, command: str) -> Path:
    """Write ``index.html``, ``claims.json`` and ``figures/`` to the folder `out`; returns the page's path.

    Equal records give equal bytes. `runs` are by their claims' `suite`; `command` made them.

    Raises:
        UsageError: the folder cannot be written.
    """
    sweep(out, "figures")
    shown = _told_apart([(suite, p) for suite, data in runs.items() for p in _panels(data, judged, suite)])
    drawn: dict[str, Markup] = {}
    with theme():
        for _, plan in shown:
            if plan.build is not None:
                drawn[plan.name] = write_figure(out / "figures", plan.build(), plan.name, plan.caption)
    remove_others(out / "figures", drawn)
    entries = [_entry(one, [p.name for suite, p in shown if suite == one.claim.suite]) for one in judged]
    panels = [
        Panel(plan.name, plan, drawn.get(plan.name), [e for e in entries if plan.name in e.panels])
        for _, plan in shown
    ]
    write_atomic(out / "claims.json", (json.dumps(_as_json(judged), indent=1) + "\n").encode())
    page = fill(
        "scorecard.html.j2",
        __package__,
        entries=[e for e in entries if not e.judged.claim.found],
        instead=[e for e in entries if e.judged.claim.found],
        panels=panels,
        names={plan.name: _figure_name(plan.name) for _, plan in shown},
        summary=summary(judged),
        marks=MARKS,
        ran={suite: ran(data) for suite, data in runs.items()},
        command=command,
    )
    write_atomic(out / "index.html", page.encode())
    return out / "index.html"


def summary(judged: Sequence[Judged]) -> str:
    """How many claims of the paper have which verdict, in a sentence."""
    paper = [one for one in judged if not one.claim.found]
    counts = [(sum(one.verdict == verdict for one in paper), verdict) for verdict in MARKS]
    said = ", ".join(f"{n} {verdict}" for n, verdict in counts if n)
    return f"Of {counted(len(paper), 'claim')} of the paper: {said}."


def scorecard_lines(judged: Sequence[Judged]) -> list[list[str]]:
    """The scorecard for a terminal: id, verdict, and each test's finding."""
    lines = []
    for one in judged:
        for i, outcome in enumerate(one.outcomes):
            row = _row(outcome)
            head = [one.claim.id, one.verdict] if i == 0 else ["", ""]
            found = f"{row.mean} {row.ends}".strip()
            lines.append([*head, row.says, row.published or "–", found, row.seeds])
    return lines


def ran(data: RunData) -> list[Fact]:
    """What a reader needs to run it again: seeds, commit, device, duration."""
    wanted = ("asked", "commit", "device", "versions", "started", "duration")
    return [fact for fact in facts(data) if fact.name in wanted]


def _panels(data: RunData, judged: Sequence[Judged], suite: str) -> Iterator[Plan]:
    """The paper's panels, and other figures that claims of the suite name."""
    named = [name for one in judged if one.claim.suite == suite for name in one.claim.figures]
    for plan in plans(data):
        if plan.group == GROUP or any(_is(plan.name, name) for name in named):
            yield plan


def _told_apart(shown: Sequence[tuple[str, Plan]]) -> list[tuple[str, Plan]]:
    """Each under a name of its own: that of its suite comes first where suites have tasks in common."""
    times = Counter(plan.name for _, plan in shown)
    return [
        (suite, dataclasses.replace(plan, name=f"{slug(Path(suite).stem)}+{plan.name}"))
        if times[plan.name] > 1
        else (suite, plan)
        for suite, plan in shown
    ]


def _is(plan: str, figure: str) -> bool:
    """Whether the plan of this name is what a claim calls `figure`: the end of its name."""
    return plan == figure or plan.endswith(f"+{figure}")


def _entry(one: Judged, plans_: Sequence[str]) -> Entry:
    panels = [p for p in plans_ if any(_is(p, figure) for figure in one.claim.figures)]
    return Entry(one, MARKS[one.verdict], [_row(o) for o in one.outcomes], panels)


def _row(outcome: Outcome) -> Row:
    test = outcome.test
    return Row(
        says=test.says,
        limit=_limit(outcome),
        published="" if test.published is None else number(test.published, 3),
        mean=_mean(outcome.span),
        ends=_ends(outcome.span),
        seeds=f"{outcome.n_held}/{outcome.n_asked}",
        because=test.because,
        of=_said(test.of),
        missing=outcome.missing,
    )


def _limit(outcome: Outcome) -> str:
    test = outcome.test
    parts = []
    if test.at_least is not None:
        parts.append(f"≥ {number(test.at_least, 3)}")
    if test.at_most is not None:
        parts.append(f"≤ {number(test.at_most, 3)}")
    if test.below is not None:
        others = outcome.other_span
        factor = f"{number(test.below.times, 3)} × " if test.below.times != 1 else ""
        parts.append(f"< {factor}{_said(test.below)}: {_mean(others)} {_ends(others)}".rstrip())
    return ", ".join(parts)


def _said(source: Number) -> str:
    """Where a number comes from, in words."""
    what = FINDINGS[source.value].about if source.value in FINDINGS else source.value
    return f"{what} ({source.model} on {source.network})"


def _mean(span: tuple[float, float, float]) -> str:
    return "–" if math.isnan(span[0]) else number(span[0], 3)


def _ends(span: tuple[float, float, float]) -> str:
    """Least and greatest; nothing where they are one."""
    return (
        "" if math.isnan(span[0]) or span[1] == span[2] else f"[{number(span[1], 3)}, {number(span[2], 3)}]"
    )


def _figure_name(plan: str) -> str:
    """What links to a figure say: Fig. 2D, or the last word of its name."""
    last = plan.rpartition("+")[2]
    if not last.startswith("fig"):
        return last
    digit, letters = last[3], last[4:].upper()
    return f"Fig. {digit}{letters[0]}–{letters[1]}" if len(letters) == 2 else f"Fig. {digit}{letters}"


def _as_json(judged: Sequence[Judged]) -> dict[str, Any]:
    """The scorecard as data: what other tools read, and what documentation quotes."""

    def plain(values: Mapping[int, float]) -> dict[str, float | str]:
        return {str(seed): x if math.isfinite(x) else str(x) for seed, x in sorted(values.items())}

    claims = [
        {
            "id": one.claim.id,
            "verdict": one.verdict,
            "why": one.why,
            "tests": [
                {
                    "says": o.test.says,
                    "published": o.test.published,
                    "values": plain(o.values),
                    "others": plain(o.others),
                    "held": sorted(seed for seed, held in o.holds.items() if held),
                    "missing": o.missing,
                }
                for o in one.outcomes
            ],
        }
        for one in judged
    ]
    return {"schema": SCHEMA, "claims": claims}
