"""The figures of a report as files: many are drawn by several processes, each of which reads the run itself.

Above is the half of who writes the report, below that of the processes.
"""

from __future__ import annotations

import hashlib
import selectors
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from markupsafe import Markup

from jslds_bench.errors import UsageError
from jslds_bench.processes.channel import begin
from jslds_bench.processes.child import Child
from jslds_bench.processes.cores import usable_cores
from jslds_bench.records.store import record_paths
from jslds_bench.report.data.run import load_data
from jslds_bench.report.html import write_figure
from jslds_bench.report.plans.every import plans
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.style import theme

Progress = Callable[[int, int, str], None]
"""(figures drawn, figures in all, the name of one)."""
MANY = 40
"""Figures from which several processes draw: each begins by reading all records."""
MOST = 8  # processes
SILENCE = 120.0
"""Seconds without a figure after which the rest is drawn here: a process was stopped, or the disk hangs."""


def stamp(run: Path) -> str:
    """Changes when a record of `run` does, or what was asked of it: a hash of when they were written, and how
    long they are."""
    found = hashlib.sha256()
    for path in (run / "run.json", *record_paths(run)):
        with suppress(OSError):  # whoever reads them tells of what is missing
            about = path.stat()
            found.update(f"{path.relative_to(run)} {about.st_mtime_ns} {about.st_size}\n".encode())
    return found.hexdigest()


def drawn(
    run: Path, figures: Sequence[Plan], read: str, progress: Progress, processes: int | None = None
) -> list[Markup | None]:
    """Writes the `figures` of `run` to its folder of them; what the page holds of each (`html.write_figure`).

    Args:
        read: the `stamp` of the run from before its records were read.
        processes: at most; by default one for each core that there is, of eight. Fewer than `MANY` figures
            are drawn by this one.

    Raises:
        UsageError: the folder cannot be written.
    """
    todo = {i: plan for i, plan in enumerate(figures) if plan.build}
    n = min(len(usable_cores()) if processes is None else processes, MOST)
    found: dict[int, Markup] = {}
    if n > 1 and len(todo) >= MANY:
        _have_drawn(run, todo, n, read, found, progress)
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
    run: Path, todo: Mapping[int, Plan], n: int, read: str, found: dict[int, Markup], progress: Progress
) -> None:
    """Adds to `found` what `n` processes draw: all of it, unless one is lost or stopped or meets an error."""
    progress(0, len(todo), "figures")
    children: list[Child] = []
    try:
        with suppress(OSError):  # the system allows no more processes: those that there are do it
            for k in range(n):
                children.append(Child(__name__, {"run": str(run), "read": read, "part": k, "of": n}, {}))
        with selectors.DefaultSelector() as selector:
            for child in children:
                selector.register(child.output, selectors.EVENT_READ, child)
            while selector.get_map() and (ready := selector.select(SILENCE)):
                for key, _ in ready:
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
                                progress(len(found), len(todo), todo[i].name)
                            case {"event": "wrong", "message": str(message)}:
                                raise UsageError(message)
    finally:
        for child in children:
            child.kill()


def main(runner: int, run: str, read: str, part: int, of: int) -> None:
    """Draws a part of `of` of the figures of `run` for process `runner`, if it reads the same records."""
    channel = begin(runner)
    folder = Path(run)
    try:
        data = load_data(folder)
        same = stamp(folder) == read
    except (UsageError, OSError):  # a record is being written
        return
    if not same:
        return
    todo = [(i, plan) for i, plan in enumerate(plans(data)) if plan.build]
    try:
        with theme():
            # Neighbours show the same network: its arrays are read by one process.
            for i, plan in todo[part * len(todo) // of : (part + 1) * len(todo) // of]:
                channel.send("drawn", number=i, name=plan.name, html=str(_written(folder, plan)))
    except UsageError as error:
        channel.send("wrong", message=str(error))
