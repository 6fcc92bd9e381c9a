"""Models over all tasks of a run: mean ranks, chances of improvement, interquartile means, shares of runs.

The unit is the task: docs/statistics.md says what is tested and what is resampled.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.analysis import stats, tasks
from jslds_bench.records.numbers import counted, number
from jslds_bench.report.data.blocks import LEAST_TASKS, Block, Field, Group, field_of
from jslds_bench.report.data.run import RunData
from jslds_bench.report.figures.intervals import Estimate, Line, Scale, intervals, shares
from jslds_bench.report.figures.ranks import Ranks, mean_ranks
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.style import Style, plain

SECTION = "over-tasks"
MOST_LINES = 5  # in one panel
MOST_PAIRED = 6  # models of which all pairs are shown
THICK = "over seeds on these very tasks (thick lines)"
THIN = "over tasks like these (thin lines)"


@dataclasses.dataclass(frozen=True)
class Judged:
    """A Group, its models by rising mean rank.

    Attributes:
        name: of the class, as figures have it.
        why: why tests can part no two models, or nothing where they can.
    """

    name: str
    group: Group
    found: stats.CriticalDifference
    why: str

    @property
    def models(self) -> list[str]:
        return self.group.models

    @property
    def one_seed(self) -> bool:
        return len({b.seed for b in self.group.blocks}) == 1

    @functools.cached_property
    def draws(self) -> dict[str, np.ndarray]:
        """`draws_of` the blocks that all models have."""
        return self.draws_of(self.group.blocks)

    def draws_of(self, blocks: Sequence[Block]) -> dict[str, np.ndarray]:
        """Weights of blocks in samples of seeds, and in samples of tasks, where there are enough."""
        made, of = {}, [b.task for b in blocks]
        if not self.one_seed:
            made["seeds"] = tasks.draw_seeds(of, [b.seed for b in blocks])
        if len(set(of)) >= stats.pairs_needed(self.found.alpha):
            made["tasks"] = tasks.draw_tasks(of)
        return made


def over_tasks_plans(data: RunData) -> Iterator[Plan]:
    """The figures over tasks; none where `too_few` says why."""
    field = field_of(data)
    judged = _all_judged(data, field) if field else []
    rivals = [one for one in judged if len(one.models) > 1]
    if field is None or not rivals:
        return
    note = "; ".join(filter(None, [_left_out(data, field), *map(_gaps, judged)]))
    yield _plan("over_tasks_ranks", _ranks_caption(rivals), lambda: _ranks(data, rivals), note)
    yield _plan("over_tasks_pairs", _pairs_caption(rivals), lambda: _pairs(data, field, rivals))
    yield _means_plan(data, field, judged)
    if field.logarithmic:
        yield _plan(
            "over_tasks_shares",
            f"Share of runs (task, network, seed; tasks weigh alike) whose {field.column.metric} is at most "
            "what the axis says: further left and up is better; half of the runs are within where a curve "
            f"crosses ½. The {MOST_LINES} models of least mean rank of each class; what a curve lacks of 1 "
            "diverged, failed, or lies further right.",
            lambda: _shares(data, field, rivals),
        )


def too_few(data: RunData) -> str:
    """A sentence on why a run has no figures over tasks."""
    if field_of(data) is None:
        n = counted(len(data.tasks), "task")
        return f"Models are compared over {LEAST_TASKS} tasks of one kind or more; the run has {n}."
    return f"Models of one class are compared over {LEAST_TASKS} tasks or more; no two share as many."


def _all_judged(data: RunData, field: Field) -> list[Judged]:
    return [_judged(data, field, g) for g in field.groups if g.n_tasks >= LEAST_TASKS]


def _plan(name: str, caption: str, build: Callable[[], Figure] | None, note: str = "") -> Plan:
    return Plan((SECTION, ""), name, caption, build, note)


def _judged(data: RunData, field: Field, group: Group) -> Judged:
    """The models by rising mean rank; nothing is tested with one seed, or fewer tasks than a test needs."""
    mean_ranks = stats.mean_by(stats.ranks(group.losses), group.tasks).mean(axis=0)
    group = group.ordered(np.argsort(mean_ranks, kind="stable").tolist())
    p = stats.pairs_p(group.found, [b.task for b in group.every])
    found = stats.critical_difference(group.losses, units=group.tasks, p=p)
    k, n = len(group.models), group.n_tasks
    needed = stats.pairs_needed(found.alpha, max(k * (k - 1) // 2, 1))
    rivalry = data.setting(field.tasks[0]).rivalry
    name = f"{rivalry} {group.rivals}" if group.rivals else "all models"
    judged = Judged(name, group, found, "")
    why = f"pairs need {needed} tasks" if n < needed else ""
    return dataclasses.replace(judged, why="one seed: no test" if judged.one_seed else why)


def _ranks(data: RunData, rivals: Sequence[Judged]) -> Figure:
    groups = []
    for one in rivals:
        places, networks = stats.ranks(one.group.losses), np.array([b.network for b in one.group.blocks])
        parts = []
        for network in dict.fromkeys(networks):
            rows = networks == network
            parts.append(stats.mean_by(places[rows], np.array(one.group.tasks)[rows].tolist()).mean(axis=0))
        says = "; ".join(filter(None, [_overall(one), one.why]))
        colors = [data.styles[m].color for m in one.models]
        groups.append(Ranks(one.name, says, one.models, colors, one.found, not one.why, parts))
    return mean_ranks("Mean rank over tasks, within each class", groups, "mean rank (1 is best)")


def _overall(one: Judged) -> str:
    """Friedman's p of no difference at all; of two models the p of the pair."""
    if one.one_seed or (len(one.models) == 2 and one.why):
        return ""
    places = stats.mean_by(stats.ranks(one.group.losses), one.group.tasks)
    p = one.found.p[0, 1] if len(one.models) == 2 else tasks.friedman(places).p
    return f"p = {number(p, 2)}" if p > 1 / tasks.ORDERS else f"p ≤ {1 / tasks.ORDERS:.0e}"


def _ranks_caption(rivals: Sequence[Judged]) -> str:
    lines = []
    for one in rivals:
        first = f"{one.models[0]} ranks first ({number(one.found.mean_ranks[0], 2)} of {len(one.models)})"
        apart = [m for m, p in zip(one.models, one.found.p[0], strict=True) if p <= one.found.alpha]
        few = ", ".join(apart) or "none"
        told = f"told apart from {few if len(apart) <= 4 else f'{len(apart)} others'}"
        lines.append(f"{one.name}: {first}, {'which claims nothing' if one.why else told}")
    n = counted(len({t for one in rivals for t in one.group.tasks}), "task")
    return (
        f"{'; '.join(lines)}. Dots are mean ranks over networks and seeds, then over {n}; short strokes "
        "those on each network alone. A bar joins models that no test parts (exact Wilcoxon tests over tasks "
        "of how much more often one is ahead, where both ran, after Holm, 5 %); hollow dots are of classes "
        "without tests, by one seed or too few tasks. p is that of no difference at all: Friedman's test by "
        "orders of ranks, or the one pair's."
    )


def _pairs(data: RunData, field: Field, rivals: Sequence[Judged]) -> Figure:
    groups = {one.name: list(_pairs_of(data, one)) for one in rivals}
    more = "less" if field.column.sign > 0 else "more"
    scale = Scale(f"chance of {more} {field.column.metric}", 0.5, ends=(-0.02, 1.02))
    return intervals("Chance of improvement", groups, scale)


def _pairs_of(data: RunData, one: Judged) -> Iterator[Estimate]:
    """On all blocks that both have."""
    few = one.group.found[:, :MOST_PAIRED]
    for i, j in zip(*np.triu_indices(few.shape[1], 1), strict=True):
        rows = np.flatnonzero(~np.isnan(few[:, [i, j]]).any(axis=1))
        losses, blocks = few[rows][:, [i, j]], [one.group.every[row] for row in rows]
        mean = tasks.improvement(losses, tasks.task_weights([b.task for b in blocks]))[0, 0, 1]
        of: dict[str, tuple[float, float]] = {}
        for what, weights in one.draws_of(blocks).items():
            low, high = tasks.interval(tasks.improvement(losses, weights)[:, 0, 1])
            of[what] = (float(low), float(high))
        first, second = (plain(one.models[at], 19) for at in (i, j))
        label, color = f"{first} vs {second}", data.styles[one.models[i]].color
        yield Estimate(label, color, not one.why, float(mean), of.get("seeds"), of.get("tasks"))


def _pairs_caption(rivals: Sequence[Judged]) -> str:
    more = max(len(one.models) for one in rivals) > MOST_PAIRED
    few = f" Of larger classes the {MOST_PAIRED} models of least mean rank." if more else ""
    return (
        "How often the first model does better than the second with the same network and seed, where both "
        "ran, equals counting half, tasks weighing alike: at ½ neither is better."
        f"{few} {_legend(rivals)} An interval "
        "of no width says that all of these agree, not that others would."
    )


def _legend(judged: Sequence[Judged]) -> str:
    """What the lines are, or why there are none."""
    drawn = {what for one in judged for what in one.draws}
    shown = [THICK] * ("seeds" in drawn) + [THIN] * ("tasks" in drawn)
    said = [f"95 % bootstrap intervals {' and '.join(shown)}"] if shown else []
    if "seeds" not in drawn:
        said.append("one seed has no interval over seeds")
    if "tasks" not in drawn:
        said.append(f"fewer than {stats.pairs_needed(0.05)} tasks have none over tasks")
    if any(one.why for one in judged):
        said.append("hollow dots claim nothing")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."


def _means_plan(data: RunData, field: Field, judged: Sequence[Judged]) -> Plan:
    name, metric = "over_tasks_means", field.column.metric
    groups = {one.name: _means(data, field, one) for one in judged if field.logarithmic}
    groups = {kind: group for kind, group in groups.items() if group}
    if not groups:
        lack = "no value of persistence to set others against" if field.logarithmic else "no ratios compare"
        return _plan(name, "", None, f"interquartile means over tasks: of {metric} there is {lack}")
    numbers = [
        f"{kind}: {', '.join(f'{e.label} {number(e.value, 2)}' for e in group)}"
        for kind, group in groups.items()
    ]
    caption = (
        f"{metric} as a multiple of persistence's, which stays where it starts: the interquartile mean of "
        "its logarithm over tasks, networks and seeds (of the middle half, so that neither what a model "
        "solves nor what it fails at decides). Left of 1 is better than no model; only models of one class "
        f"compare. {_legend(judged)} {'; '.join(numbers)}."
    )
    scale = Scale(f"{metric} / that of persistence", 1.0, logarithmic=True)
    return _plan(name, caption, lambda: intervals("Error over tasks, beside persistence's", groups, scale))


def _means(data: RunData, field: Field, one: Judged) -> list[Estimate]:
    """Each model's, least first; nothing where persistence has no value."""
    rows = np.array([i for i, b in enumerate(one.group.blocks) if b in field.reference], dtype=int)
    if not len(rows):
        return []
    base = np.array([field.reference[one.group.blocks[i]] for i in rows])
    ratios = np.log(one.group.losses[rows] / base[:, None])
    mean = np.exp(tasks.interquartile_mean(ratios, tasks.task_weights(one.group.tasks)[rows])[0])
    ends = {
        what: tasks.interval(np.exp(tasks.interquartile_mean(ratios, weights[:, rows])))
        for what, weights in one.draws.items()
    }
    made = []
    for i in np.argsort(mean, kind="stable"):
        of = {what: (float(low[i]), float(high[i])) for what, (low, high) in ends.items()}
        label, color = one.models[i], data.styles[one.models[i]].color
        made.append(Estimate(label, color, not one.why, float(mean[i]), of.get("seeds"), of.get("tasks")))
    return made


def _shares(data: RunData, field: Field, rivals: Sequence[Judged]) -> Figure:
    losses = [one.group.losses[:, :MOST_LINES] for one in rivals]
    low, high = np.quantile(np.concatenate([x[np.isfinite(x)] for x in losses]), [0.02, 0.98])
    bounds = np.geomspace(
        max(low, 1e-4) / 1.5, high * 1.5, 300
    )  # a model that is exact starts at the left edge
    panels = {}
    for one, own in zip(rivals, losses, strict=True):
        found = tasks.share_within(own, tasks.task_weights(one.group.tasks), bounds)
        styles: list[Style] = [data.styles[m] for m in one.models[:MOST_LINES]]
        panels[one.name] = [Line(style, row) for style, row in zip(styles, found, strict=True)]
    return shares("Share of runs within an error", bounds, panels, field.column.metric)


def _left_out(data: RunData, field: Field) -> str:
    """Tasks of another kind of data, or ranked by another metric, and models that came to nothing."""
    others = [t for t in data.tasks if t not in field.tasks]
    asked = {key[2] for task in field.tasks for key in data.keys(task)}
    nothing = asked.difference(*([*g.models, *g.left_out] for g in field.groups))
    said = [f"without {', '.join(others)}: ranked by another metric"] if others else []
    said += [f"no result at all: {', '.join(sorted(nothing))}"] if nothing else []
    return "; ".join(said)


def _gaps(one: Judged) -> str:
    """What a class lacks, and which of its models are linear in more here and there."""
    group, said = one.group, []
    if group.left_out:
        said.append(f"without {', '.join(group.left_out)}, which lack most")
    if group.dropped:
        gone = dict.fromkeys(b.network for b in group.dropped)
        whole = [n for n in gone if n not in {b.network for b in group.blocks}]
        where = f" (none on {', '.join(whole)})" if whole else ""
        total = len(group.dropped) + len(group.blocks)
        said.append(f"{len(group.blocks)} of {total} runs are of every model and this class{where}")
    for model, (n, of) in group.stricter.items():
        said.append(f"{model} is linear in more on {n} of {of} networks")
    return f"{one.name}: {', '.join(said)}" if said else ""
