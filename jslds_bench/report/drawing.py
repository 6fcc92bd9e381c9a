"""The figures of a report as files: many are drawn by several processes, each of which reads the run itself.

Above is the half of who writes the report, below that of the processes.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable, Sequence
from pathlib import Path

from markupsafe import Markup

from jslds_bench.errors import UsageError
from jslds_bench.processes.channel import begin
from jslds_bench.processes.child import Child
from jslds_bench.processes.cores import usable_cores
from jslds_bench.report.data.run import load_data
from jslds_bench.report.html import write_figure
from jslds_bench.report.plans.every import plans
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.style import theme

Progress = Callable[[int, int, str], None]
MANY = 40
"""Figures from which several processes draw: to begin takes each as long as ten figures."""
MOST = 8  # processes


def drawn(
    run: Path, figures: Sequence[Plan], progress: Progress, processes: int | None = None
) -> list[Markup | None]:
    """Writes the `figures` of `run` to its folder of them; what the page holds of each (`html.write_figure`).

    Args:
        processes: by default one for each core that there is, if there are `MANY` figures.

    Raises:
        UsageError: the folder cannot be written.
    """
    todo = {i: plan for i, plan in enumerate(figures) if plan.build}
    if processes is None:
        processes = min(len(usable_cores()), MOST) if len(todo) >= MANY else 1
    found: dict[int, Markup] = {}
    if processes > 1:
        _have_drawn(run, todo, processes, found, progress)
    with theme():
        for i, plan in todo.items():
            if i not in found:
                progress(len(found), len(todo), plan.name)
                found[i] = _written(run, plan)
    return [found.get(i) for i in range(len(figures))]


def _written(run: Path, plan: Plan) -> Markup:
    assert plan.build is not None
    return write_figure(run / "figures", plan.build(), plan.name, plan.caption, linked=plan.more)


def _have_drawn(
    run: Path, todo: dict[int, Plan], n: int, found: dict[int, Markup], progress: Progress
) -> None:
    """Adds to `found` what `n` processes draw: all of it, unless one is lost or meets an error."""
    progress(0, len(todo), "figures")
    children = [Child(__name__, {"run": str(run), "first": k, "every": n}, {}) for k in range(n)]
    try:
        with selectors.DefaultSelector() as selector:
            for child in children:
                selector.register(child.output, selectors.EVENT_READ, child)
            while selector.get_map():
                for key, _ in selector.select():
                    if (events := key.data.read()) is None:
                        selector.unregister(key.fileobj)
                    for event in events or []:
                        match event:
                            case {
                                "event": "drawn",
                                "number": int(i),
                                "name": str(name),
                                "html": str(html),
                            } if i in todo and todo[i].name == name:
                                found[i] = Markup(html)
                                progress(len(found), len(todo), name)
                            case {"event": "wrong", "message": str(message)}:
                                raise UsageError(message)
    finally:
        for child in children:
            child.kill()


def main(runner: int, run: str, first: int, every: int) -> None:
    """Draws each `every`-th figure of `run` for process `runner`, beginning with the one numbered `first`."""
    channel = begin(runner)
    folder = Path(run)
    try:
        todo = [(i, plan) for i, plan in enumerate(plans(load_data(folder))) if plan.build]
        with theme():
            for i, plan in todo[first::every]:
                channel.send("drawn", number=i, name=plan.name, html=str(_written(folder, plan)))
    except UsageError as error:
        channel.send("wrong", message=str(error))
    except Exception:
        return  # what is not drawn here is drawn by the runner, which has the error then
