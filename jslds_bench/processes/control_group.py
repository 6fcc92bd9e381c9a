"""A limit on memory that the kernel keeps: a control group for a process and all it starts. Linux, no JAX.

Both versions of the hierarchy, as the kernel documents them (Documentation/admin-guide/cgroup-v2.rst and
cgroup-v1/memory.rst). A group can be made where that of this process is its user's own: as root, or in a
delegated scope of systemd (``systemd-run --user --scope -p Delegate=yes …``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import time
from pathlib import Path

_OURS = "jslds-bench-"  # how the names of our groups begin; the number of the process that made them follows
_INSIDE = "-runner"  # ends the name of that which such a process moves into itself
_EMPTIED_S = 2.0  # until what was killed has left its group


@dataclasses.dataclass(frozen=True)
class _Version:
    """Files of one version of the hierarchy.

    Attributes:
        limits: and what is written into each, in order; the number of bytes for "".
        optional: the same, where there are such files.
        kills: the one whose line ``oom_kill`` counts what the kernel killed, at whosever limit.
        reached: the one, and its line or "" for all of it, that says whether the group reached its own,
            and above which share of it: how often it did (0), or its greatest memory, which in version 1
            includes pages of files that could have been given up.
    """

    limits: dict[str, str]
    optional: dict[str, str]
    kills: str
    reached: tuple[str, str, float]


_VERSIONS = {
    "cgroup": _Version(
        {"memory.limit_in_bytes": "", "memory.oom_control": "0"},
        {"memory.memsw.limit_in_bytes": ""},
        "memory.oom_control",
        ("memory.max_usage_in_bytes", "", 0.999),
    ),
    "cgroup2": _Version(
        {"memory.max": ""},
        {"memory.swap.max": "0", "memory.oom.group": "1"},
        "memory.events",
        ("memory.events.local", "oom", 0.0),
    ),
}


class ControlGroup:
    """A group whose processes take `most` bytes of memory in all; what would take more, the kernel kills."""

    def __init__(self, folder: Path, version: _Version, most: int) -> None:
        self._folder, self._version, self._most = folder, version, most
        folder.mkdir()
        try:
            for name, content in version.limits.items():
                (folder / name).write_text(content or str(most))
            for name, content in version.optional.items():
                with contextlib.suppress(OSError):
                    (folder / name).write_text(content or str(most))
        except OSError:
            folder.rmdir()
            raise

    def add(self, process: int) -> None:
        """Moves it in; what it starts from now on is born there.

        Raises:
            OSError: it may not be moved.
        """
        (self._folder / "cgroup.procs").write_text(str(process))

    def members(self) -> list[int]:
        """Its processes that still run, those of groups within it included."""
        found: list[int] = []
        for group in _within(self._folder):
            with contextlib.suppress(OSError):
                found += map(int, (group / "cgroup.procs").read_text().split())
        return [process for process in found if process > 0]  # 0 is one that this process cannot name

    def exceeded(self) -> bool:
        """Whether the kernel has killed one of its processes for the memory that they took.

        Those that it killed because the machine, or a group around this one, had no more do not count.
        """
        file, line, share = self._version.reached
        reached = self._count(file, line) > share * self._most
        return reached and self._count(self._version.kills, "oom_kill") > 0

    def _count(self, file: str, line: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            words = [entry.split() for entry in (self._folder / file).read_text().splitlines()]
            return sum(int(number) for *name, number in words if name == line.split())
        return 0

    def remove(self) -> None:
        """Once its processes have ended; a group that stays is removed by the next process that makes one."""
        for _ in range(round(_EMPTIED_S / 0.01)):
            _remove(self._folder)
            if not self._folder.exists():
                return
            time.sleep(0.01)


def control_group(most: int, controller: str = "memory") -> ControlGroup | None:
    """A new one, or None where this process may make none."""
    for kind, own in _own_groups(controller):
        with contextlib.suppress(OSError):
            within = _delegated(own, controller) if kind == "cgroup2" else own
            _sweep(within)
            name = f"{_OURS}{os.getpid()}-{secrets.token_hex(4)}"
            return ControlGroup(within / name, _VERSIONS[kind], most)
    return None


def _own_groups(controller: str) -> list[tuple[str, Path]]:
    """The version, and the folder of the group that this process is in, where `controller` may be had."""
    paths: dict[str, str] = {}  # by controller
    found = []
    with contextlib.suppress(OSError):
        for line in _lines("/proc/self/cgroup"):
            _, controllers, path = line.split(":", 2)
            paths |= dict.fromkeys(controllers.split(","), path)  # that of version 2 has no name
        for line in _lines("/proc/self/mountinfo"):
            where, _, what = line.partition(" - ")
            root, mounted = where.split(" ")[3:5]
            kind, *_, options = what.split(" ")
            has = kind == "cgroup2" or (kind == "cgroup" and controller in options.split(","))
            own = Path(paths.get("" if kind == "cgroup2" else controller, ""))
            if has and own.is_relative_to(root):
                found.append((kind, Path(mounted) / own.relative_to(root)))
    return found


def _delegated(own: Path, controller: str) -> Path:
    """The folder in which groups with `controller` can be made: that of `own`, which this process leaves.

    In version 2 what gives a controller to groups within it holds no process itself, but for the root.

    Raises:
        OSError: there is none.
    """
    if own.name.startswith(_OURS) and own.name.endswith(_INSIDE):
        return own.parent
    if controller not in (own / "cgroup.controllers").read_text().split():
        raise FileNotFoundError(f"{own} has no controller {controller}")
    switch = own / "cgroup.subtree_control"
    if controller in switch.read_text().split():
        return own
    inside = own / f"{_OURS}{os.getpid()}{_INSIDE}"
    inside.mkdir()
    try:
        (inside / "cgroup.procs").write_text(str(os.getpid()))
        switch.write_text(f"+{controller}")
    except OSError:  # it is not ours, or others are in it too
        with contextlib.suppress(OSError):
            (own / "cgroup.procs").write_text(str(os.getpid()))
        inside.rmdir()
        raise
    return own


def _sweep(folder: Path) -> None:
    """Removes groups of ours whose maker has ended; one with processes in it stays."""
    for left in folder.glob(f"{_OURS}*"):
        maker = left.name.removeprefix(_OURS).split("-")[0]
        if maker.isdigit() and not Path(f"/proc/{maker}").exists():
            _remove(left)


def _within(folder: Path) -> list[Path]:
    """`folder` and the groups within it, inner ones first."""
    return [*sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True), folder]


def _remove(folder: Path) -> None:
    """Removes it and the groups within it that have no processes."""
    for group in _within(folder):
        with contextlib.suppress(OSError):
            group.rmdir()


def _lines(file: str) -> list[str]:
    return Path(file).read_text(errors="surrogateescape").splitlines()
