"""Which values of two sides belong together: the same task, network, model, metric and seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from jslds_bench.compare.sides import Key, Metric, Results, Side, known
from jslds_bench.entries.registry import nearest
from jslds_bench.errors import UsageError
from jslds_bench.records.numbers import counted, ranges

Seed = int | None


@dataclasses.dataclass(frozen=True)
class Pairing:
    """The values of one metric that belong together.

    Attributes:
        seeds: that both have a value for.
        pairs: (a, b) of each of them.
        gap: why the pairs are not all that were asked for on both sides, or nothing.
        lost: whether it is `b` that lacks a value.
        notes: which seeds of either were not asked for on the other, and what a source says.
    """

    key: Key
    name: str
    metric: Metric
    seeds: tuple[Seed, ...]
    pairs: tuple[tuple[float, float], ...]
    gap: str
    lost: bool
    notes: tuple[str, ...]


def pairings(a: Side, b: Side, models: tuple[str, str] | None, metrics: Sequence[str]) -> list[Pairing]:
    """All pairings of `a` and `b`.

    Raises:
        UsageError: there is none, or a model or metric that was named is not there.
    """
    if models is not None:
        for side, model in zip((a, b), models, strict=True):
            labels = sorted({key[2] for key in side.results})
            if model not in labels:
                hint = f"{nearest(model, labels)} (it has: {', '.join(labels)})"
                raise UsageError(f"{side.name} has no model {model!r}{hint}")
    names = sorted({name for side in (a, b) for group in side.results.values() for name in group.values})
    for metric in metrics:
        if metric not in names:
            hint = f"{nearest(metric, names)} (they have: {', '.join(names)})"
            raise UsageError(f"neither side has a metric {metric!r}{hint}")
    found = [p for p in _all(a, b, models) if not metrics or p.name in metrics]
    if not found:
        raise UsageError(
            f"{a.name} and {b.name} have no task, network and model in common that both have a value "
            "for: compare runs of one suite, or name a model of each with --models"
        )
    return found


def of_networks(a: Side, b: Side, networks: tuple[str, str]) -> tuple[Side, Side]:
    """Both sides with one network each, as if these were one network.

    Raises:
        UsageError: a side has no such network.
    """
    sides, both = [], f"{networks[0]} → {networks[1]}"
    for side, network in zip((a, b), networks, strict=True):
        results = {(key[0], both, key[2]): x for key, x in side.results.items() if key[1] == network}
        if not results:
            labels = sorted({key[1] for key in side.results})
            hint = f"{nearest(network, labels)} (it has: {', '.join(labels)})"
            raise UsageError(f"{side.name} has no network {network!r}{hint}")
        sides.append(dataclasses.replace(side, name=f"{side.name}: {network}", results=results))
    return sides[0], sides[1]


def missing(a: Side, b: Side, models: tuple[str, str] | None) -> list[str]:
    """A line for each side on what only it has, where `lacking` does not tell."""
    if models is not None:
        return []
    lines = []
    for one, other in ((a, b), (b, a)):
        only = [key for key in one.results if key[2] and key not in other.results]
        if only and other.kind != "published" and (one is b or one.kind == "published"):
            first = ", ".join(" · ".join(key) for key in only[:3])
            more = f" and {len(only) - 3} more" if len(only) > 3 else ""
            lines.append(f"only in {one.name}: {first}{more}")
    return lines


def lacking(a: Side, b: Side, models: tuple[str, str] | None) -> list[str]:
    """What was asked of `a` and not of `b`, a line for each (task, network, model), or for all its seeds."""
    if models is not None or "published" in (a.kind, b.kind):
        return []
    lines = []
    for key, left in a.results.items():
        right = b.results.get(key)
        seeds = sorted(left.endings.keys() - (right.endings.keys() if right else ()))
        if right is None:
            lines.append(" · ".join(key))
        elif seeds:
            lines.append(f"{' · '.join(key)}, {'seed' if len(seeds) == 1 else 'seeds'} {ranges(seeds)}")
    return lines


def _all(a: Side, b: Side, models: tuple[str, str] | None) -> Iterator[Pairing]:
    for key, left, right in _groups(a, b, models):
        for name in left.values:
            if name not in right.values and b.kind == "published":
                continue
            ours = a.metrics.get(name) or b.metrics.get(name)
            theirs = b.metrics.get(name) or ours
            if ours is None or theirs is None:
                continue
            if (ours.unit, ours.better) != (theirs.unit, theirs.better):
                raise UsageError(
                    f"{name} is in {ours.unit!r}, {ours.better} being better, in {a.name}, and in "
                    f"{theirs.unit!r}, {theirs.better} being better, in {b.name}: compare runs of one version"
                )
            pairing = _pair(key, name, ours, left, right)
            if pairing.pairs or pairing.gap:
                yield pairing


def _groups(a: Side, b: Side, models: tuple[str, str] | None) -> Iterator[tuple[Key, Results, Results]]:
    for key, left in a.results.items():
        if models is not None:
            other: Key = (*key[:2], models[1])
            if key[2] == models[0] and other in b.results:
                yield (*key[:2], f"{models[0]} → {models[1]}"), left, b.results[other]
        elif key in b.results:
            yield key, left, b.results[key]
        elif match := _of_network(key, b) if not key[2] else None:
            yield key, left, b.results[match]
    if models is None and b.kind == "published":
        for key, right in b.results.items():
            if not key[2] and (match := _of_network(key, a)):
                yield key, a.results[match], right


def _of_network(key: Key, side: Side) -> Key | None:
    """Any model's results on that network: a published value without a model is of the network alone."""
    return next((k for k in side.results if k[:2] == key[:2]), None)


def _pair(key: Key, name: str, metric: Metric, left: Results, right: Results) -> Pairing:
    ours, theirs = left.values[name], right.values.get(name, {})
    notes = [results.notes[name] for results in (left, right) if name in results.notes]
    # A published value stands against every seed that the other side was asked for.
    if None in ours and right.endings:
        ours = dict.fromkeys(right.endings, ours[None])
    if None in theirs and left.endings:
        theirs = dict.fromkeys(left.endings, theirs[None])
    asked: list[set[Seed]] = [
        {*results.endings} or {*values} for results, values in ((left, ours), (right, theirs))
    ]
    shared = asked[0] & asked[1]
    if asked[0] != asked[1]:
        notes.append(
            f"over {counted(len(shared), 'seed')} that both have, of {len(asked[0])} and {len(asked[1])}"
        )
    have = [{s for s in shared if known(values.get(s))} for values in (ours, theirs)]
    gap, lost = "", bool(have[0] - have[1])
    if have[0] != have[1] and have[0] | have[1]:
        which = 1 if lost else 0
        seed = min(have[1 - which] - have[which], key=str)
        gap = f"no value of seed {seed} in {'ab'[which]}{_why(seed, name, (left, right)[which])}"
    elif have[0] != shared and have[0]:
        notes.append(
            f"over {len(have[0])} of {counted(len(shared), 'seed')}: the others have no value in either"
        )
    seeds = tuple(sorted(have[0] & have[1], key=str))
    numbers = tuple((float(ours[s].value), float(theirs[s].value)) for s in seeds)  # type: ignore[arg-type]
    return Pairing(key, name, metric, seeds, numbers, gap, lost, tuple(notes))


def _why(seed: Seed, name: str, results: Results) -> str:
    value = results.values.get(name, {}).get(seed)
    if value is not None and value.reason:
        return f": {value.reason}"
    status, reason = results.endings.get(seed, ("", "")) if seed is not None else ("", "")
    return f": {'; '.join(filter(None, [status, reason]))}" if status and status != "ok" else ""
