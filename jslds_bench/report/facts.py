"""What the page says in words: what ran and where, the leading results, what failed and why."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from jslds_bench.records.numbers import counted, number, ranges
from jslds_bench.records.record import ORIGINS, Record
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.data.summary import Column
from jslds_bench.report.figures.complexity import FEW_SYSTEMS
from jslds_bench.report.plans.complexity import COST


class Fact(NamedTuple):
    """A line of the description of a run."""

    name: str
    text: str


class Failure(NamedTuple):
    """Jobs that gave no full result, for one reason: where, which seeds, what became of them."""

    task: str
    network: str
    model: str
    seeds: str
    status: str
    reason: str


LIBRARIES = ("python", "jax", "jaxlib", "flax", "optax", "numpy", "scipy")


def facts(data: RunData) -> list[Fact]:
    """What ran and where. Environment entries that this version does not know are shown as they are."""
    env = dict(data.meta.get("environment") or {})
    records = data.everything
    ok = sum(r.status == "ok" for r in records)
    found = [
        Fact("suite", str(data.meta.get("suite", ""))),
        Fact(
            "asked",
            f"{counted(len(data.tasks), 'task')}, {counted(len(data.networks), 'network')}, "
            f"{counted(len(data.models), 'model')}, seeds {ranges(data.seeds) or 'none'}",
        ),
        Fact("data", _origins(data)),
        Fact("scored trials that fits saw", _seen(data)),
        Fact("few different trials scored", _few_different(data)),
        Fact("records", f"{len(records)}, {ok} of them ok"),
        Fact("started", _moment(data.meta.get("started"))),
        Fact("duration", _duration(data.meta)),
        Fact("commit", _commit(env)),
        Fact("versions", ", ".join(_versions(env))),
        Fact("device", str(env.pop("device", ""))),
        Fact("GEMM rate", _rate(records)),
        Fact("records differ in", _origins_of(records)),
    ]
    rest = [Fact(k.replace("_", " "), _plain(v)) for k, v in env.items()]
    return [fact for fact in found + rest if fact.text]


MAX_NAMED = 4  # networks of tasks that a verdict names one by one


class Leader(NamedTuple):
    """The best of a (task, network), the best of another method there, what does better with more systems,
    and on how many of their common seeds, of how many, the best is ahead of the other."""

    column: Column
    best: Key
    other: Key | None
    complex: Key | None
    wins: tuple[int, int]


def verdict(data: RunData) -> list[str]:
    """The run in two sentences: what leads on which network, and what comes next there of other methods.

    Models are set beside each other on one network alone, for an error means another thing on another. Where
    the number of systems is known it is of models with few; what many of them reach is said beside it.
    """
    places = [(task, network) for task in data.tasks for network in data.networks_of(task)]
    found = [leader for place in places if (leader := _leader(data, *place)) is not None]
    if not found:
        return ["The run holds no result yet that models could be ranked by."]
    limited = any(_systems(data, leader.best) is not None for leader in found)
    lead = f"Of descriptions by at most {FEW_SYSTEMS} local systems, " if limited else ""
    if len(found) <= MAX_NAMED:
        lines = [lead + _leads(data, found)]
        lines.append("; ".join([*_behind(data, found), *_beyond(data, found)]))
    else:
        lines = [lead + _counts(data, found)]
        rivals = [leader.wins for leader in found if leader.other is not None and leader.wins[1]]
        several, told = [(ahead, n) for ahead, n in rivals if n > 1], []
        if several:
            always = f"{sum(ahead == n for ahead, n in several)} of {len(several)}"
            told.append(f"in {always} the leader is ahead of the next other method on every seed")
        elif rivals:
            told.append("one seed tells none of this from chance")
        if more := sum(leader.complex is not None for leader in found):
            told.append(f"in {more} one with more systems errs less")
        lines.append(", and ".join(told))
    return [f"{line[0].upper()}{line[1:]}." for line in lines if line]


def _systems(data: RunData, key: Key) -> float | None:
    """The effective number of systems of a model, if that was measured."""
    found = data.summary(key, COST)
    return found.mean if found.n_finite else None


def _leader(data: RunData, task: str, network: str) -> Leader | None:
    column = data.ranked_by(task)
    if column is None:
        return None
    keys = [(task, network, model) for model in data.models_of(task, network)]
    means = {key: s.mean for key in keys if (s := data.summary(key, column.metric)).complete}
    order = sorted(means, key=lambda key: column.sign * means[key])
    numbers = {key: _systems(data, key) for key in order}
    few = [key for key in order if numbers[key] is None or (numbers[key] or 0) <= FEW_SYSTEMS]
    if not few:
        return None
    best = few[0]
    other = next((k for k in few[1:] if data.entry("model", k) != data.entry("model", best)), None)
    wins = (0, 0) if other is None else _wins(data, best, other, column)
    return Leader(column, best, other, order[0] if order[0] != best else None, wins)


def _wins(data: RunData, a: Key, b: Key, column: Column) -> tuple[int, int]:
    """On how many of their common seeds `a` is better than `b`, and of how many."""
    values = [
        {r.seed: column.sign * v.value for r in data.records[key]
         if (v := r.values.get(column.metric)) is not None and v.value is not None}
        for key in (a, b)
    ]  # fmt: skip
    common = values[0].keys() & values[1].keys()
    return sum(values[0][s] < values[1][s] for s in common), len(common)


def _by_leader(found: Sequence[Leader]) -> list[list[Leader]]:
    """Leaders by model and metric, those of most first."""
    groups: dict[tuple[str, str], list[Leader]] = {}
    for leader in found:
        groups.setdefault((leader.best[2], leader.column.metric), []).append(leader)
    return sorted(groups.values(), key=len, reverse=True)


def _lead(data: RunData, leader: Leader) -> str:
    """``least free-run error``."""
    said = data.setting(leader.best[0]).lead.partition(" (")[0] or f"best {leader.column.metric}"
    return f"{said[0].lower()}{said[1:]}"


def _leads(data: RunData, found: Sequence[Leader]) -> str:
    """``the least free-run error in clicks on standard (0.01 with 9 systems) is that of jslds, in …``."""
    parts: list[str] = []
    before = ""
    for leaders in _by_leader(found):
        where = " and ".join(f"{_place(data, one.best)} ({_number(data, one, one.best)})" for one in leaders)
        lead = _lead(data, leaders[0])
        said = (
            f", in {where} that of"
            if lead == before
            else f"{'; ' if parts else ''}the {lead} in {where} is that of"
        )
        parts.append(f"{said} {leaders[0].best[2]}")
        before = lead
    return "".join(parts)


def _counts(data: RunData, found: Sequence[Leader]) -> str:
    """``the least free-run error is that of jslds in 9 of 14 (each a task and a network), of rslds in 5``."""
    kinds: dict[str, list[Leader]] = {}
    for leader in found:
        kinds.setdefault(_lead(data, leader), []).append(leader)
    said = []
    for lead, leaders in kinds.items():
        first, *rest = _by_leader(leaders)
        named = any(data.setting(one.best[0]).names_network for one in leaders)
        each = " (each a network on a task)" if named else " tasks"
        others = [f"of {group[0].best[2]} in {len(group)}" for group in rest[:MAX_NAMED]]
        others += [f"of others in {n}"] if (n := sum(map(len, rest[MAX_NAMED:]))) else []
        head = f"the {lead} is that of {first[0].best[2]} in {len(first)} of {len(leaders)}{each}"
        said.append(", ".join([head, *others]))
    return "; ".join(said)


def _behind(data: RunData, found: Sequence[Leader]) -> list[str]:
    """``next of other methods is rslds (2.8 times that in clicks on standard, behind on 3 of 3 seeds)``."""
    groups: dict[str, list[str]] = {}
    for leader in found:
        if leader.other is None:
            continue
        best, second = (data.summary(key, leader.column.metric) for key in (leader.best, leader.other))
        ratio = leader.column.better == "lower" and best.mean > 0
        text = f"{number(second.mean / best.mean, 2)} times that" if ratio else second.text
        wins, n = leader.wins
        text = f"{text} in {_place(data, leader.other)}, behind on {wins} of {counted(n, 'seed')}"
        groups.setdefault(leader.other[2], []).append(text)
    if not groups:
        return []
    return ["next of other methods is " + ", ".join(f"{who} ({'; '.join(g)})" for who, g in groups.items())]


def _beyond(data: RunData, found: Sequence[Leader]) -> list[str]:
    """``with more of them codebook reaches 0.0018 with 412 systems in clicks on standard``."""
    groups: dict[str, list[str]] = {}
    for leader in found:
        if leader.complex is not None:
            text = f"{_number(data, leader, leader.complex, False)} in {_place(data, leader.complex)}"
            groups.setdefault(leader.complex[2], []).append(text)
    return [f"with more of them {who} reaches {' and '.join(g)}" for who, g in groups.items()]


def _number(data: RunData, leader: Leader, key: Key, spread: bool = True) -> str:
    """``0.0099 ± 0.0016 with 14 systems``."""
    systems = _systems(data, key)
    found = data.summary(key, leader.column.metric)
    text = found.text if spread else number(found.mean)
    return text if systems is None else f"{text} with {counted(round(systems), 'system')}"


def _place(data: RunData, key: Key) -> str:
    return f"{key[0]} on {key[1]}" if data.setting(key[0]).names_network else key[0]


MAX_LEADS = 24


def key_lines(data: RunData) -> list[Fact]:
    """Which model leads on each network of a task, by the metric that its models are ranked by.

    Nothing where these are more than `MAX_LEADS`: the table marks them.
    """
    leads: dict[str, list[str]] = {}
    for task in data.tasks:
        column, setting = data.ranked_by(task), data.setting(task)
        if column is None:
            continue
        means = {key: s for key in data.keys(task) if (s := data.summary(key, column.metric)).complete}
        for network, kind in dict.fromkeys((key[1], data.rivals(key)) for key in means):
            own = [key for key in means if (key[1], data.rivals(key)) == (network, kind)]
            best = min(own, key=lambda key: column.sign * means[key].mean)
            where = f" on {best[1]}:" if setting.names_network else ""
            lead = setting.lead or f"Best {column.title}"
            lead += f", {setting.rivalry} {kind}" if kind else ""
            leads.setdefault(lead, []).append(f"{task}: {best[2]}{where} {means[best].text}")
    if sum(map(len, leads.values())) > MAX_LEADS:
        return []
    return [Fact(name, "; ".join(lines)) for name, lines in leads.items()]


def failures(data: RunData) -> list[Failure]:
    """All that did not end well: jobs without a result, and jobs with trials that diverged."""
    groups: dict[tuple[str, str, str, str, str], list[int]] = {}
    for record in data.everything:
        reason = record.reason or ""
        if record.status == "ok":
            reason = _diverged_trials(record)
            if not reason:
                continue
        groups.setdefault((*record.key[:3], record.status, reason), []).append(record.seed)
    return [
        Failure(task, network, model, ranges(seeds), status, reason)
        for (task, network, model, status, reason), seeds in groups.items()
    ]


def _seen(data: RunData) -> str:
    """Tasks of so few different trials that some of those scored were fitted to: ``sines (100%)``."""
    shares: dict[str, list[float]] = {}
    for record in data.everything:
        seen, n = record.detail.get("n_scored_seen"), record.detail.get("n_scored")
        if seen and n:
            shares.setdefault(record.task, []).append(seen / n)
    return ", ".join(f"{task} ({statistics.fmean(found):.0%})" for task, found in shares.items())


def _few_different(data: RunData) -> str:
    """Tasks whose scored trials are the same few over and over: ``match (51 of 1,024)``."""
    found: dict[str, str] = {}
    for record in data.everything:
        different, n = record.detail.get("n_scored_different"), record.detail.get("n_scored")
        if different and n and different < n / 2:
            found[record.task] = f"{different:,} of {n:,}"
    return ", ".join(f"{task} ({text})" for task, text in found.items())


def _origins(data: RunData) -> str:
    """Where the tasks' data are from, as far as their records say so."""
    tasks: dict[str, list[str]] = {}
    for task in data.tasks:
        tasks.setdefault(data.said(task, "origin"), []).append(task)
    if len(tasks) == 1:
        return next(iter(tasks))
    return "; ".join(f"{', '.join(named)}: {origin or 'not said'}" for origin, named in tasks.items())


def _diverged_trials(record: Record) -> str:
    n, detail = record.detail.get("n_diverged"), record.detail
    total = detail.get("n_scored", detail.get("n_trials"))  # earlier records have only the latter
    return f"{n} of {counted(total, 'trial')} diverged when running freely" if n else ""


def _moment(text: Any) -> str:
    """An ISO time without its fractions of a second; what is no time stays as it is."""
    try:
        return datetime.fromisoformat(str(text)).isoformat(sep=" ", timespec="seconds")
    except ValueError:
        return str(text or "")


def _duration(meta: Mapping[str, Any]) -> str:
    seconds = meta.get("seconds")
    jobs = f" for {counted(meta['jobs'], 'job')}" if meta.get("jobs") is not None else ""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return "not finished: the page shows the records written so far"
    if seconds < 120:
        return f"{number(seconds)} s{jobs}"
    minutes = round(seconds / 60)
    return (f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min") + jobs


def _commit(env: dict[str, Any]) -> str:
    commit, dirty = env.pop("commit", None), env.pop("dirty", None)
    if not commit:
        return "none (installed from a wheel)" if "version" in env else ""
    return f"{commit}, " + ("with uncommitted changes" if dirty else "clean")


def _origins_of(records: Sequence[Record]) -> str:
    """Where the records' environments differ: a folder may be filled by several runs."""
    told = []
    for name in ORIGINS:
        of = Counter(str(r.environment[name]) for r in records if name in r.environment)
        if len(of) > 1:
            told.append(f"{name} ({', '.join(f'{value} {n}×' for value, n in of.most_common())})")
    return ", ".join(told)


def _versions(env: dict[str, Any]) -> list[str]:
    own = env.pop("version", None)
    named = [f"jslds-bench {own}"] if own else []
    return named + [f"{name} {env.pop(name)}" for name in LIBRARIES if env.get(name)]


def _rate(records: Sequence[Record]) -> str:
    """The machine's float32 GEMM rate as the jobs measured it beside their own timings."""
    timings = [r.detail.get("timing") for r in records]
    rates = [t["gemm_flops"] for t in timings if isinstance(t, Mapping) and t.get("gemm_flops")]
    if not rates:
        return ""
    low, middle, high = (number(float(f(rates)) / 1e9) for f in (min, statistics.median, max))
    return f"{middle} GFLOP/s (float32, median of {counted(len(rates), 'job')}; {low}–{high})"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
