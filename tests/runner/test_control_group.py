"""Control groups of the kernel, where it lets us make them."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from groups import control_groups

from jslds_bench.processes import child
from jslds_bench.processes import control_group as module
from jslds_bench.processes.control_group import ControlGroup, control_group

TAKES = "held = b'1' * 40_000_000; print(1, flush=True); input(); held = b'1' * 400_000_000; input()"


def started() -> subprocess.Popen[str]:
    """A process with 40 MB that takes 400 more when it is told."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", TAKES], stdin=pipe, stdout=pipe, text=True)
    process.stdout.readline()
    return process


@control_groups
def test_what_takes_more_is_killed_and_counted_and_what_does_not_is_let_be():
    taking, resting = started(), started()
    groups = [control_group(200_000_000) for _ in range(2)]
    try:
        for group, process in zip(groups, (taking, resting), strict=True):
            group.add(process.pid)
            assert group.members() == [process.pid]
            assert not group.exceeded()
        taking.communicate("\n", timeout=20)
        assert taking.returncode == -9
        assert [group.exceeded() for group in groups] == [True, False]
        assert resting.poll() is None
    finally:
        for group, process in zip(groups, (taking, resting), strict=True):
            process.kill()
            process.communicate()
            group.remove()
    assert not any(group._folder.exists() for group in groups)


@control_groups
def test_what_is_killed_since_a_group_around_it_has_no_more_took_not_too_much():
    outer, process = control_group(200_000_000), started()
    if (switch := outer._folder / "cgroup.subtree_control").exists():
        switch.write_text("+memory")
    inner = ControlGroup(outer._folder / "inner", outer._version, 10**9)
    try:
        inner.add(process.pid)
        process.communicate("\n", timeout=20)
        assert process.returncode == -9
        assert inner._count(inner._version.kills, "oom_kill") == 1
        assert not inner.exceeded()
    finally:
        process.kill()
        process.communicate()
        inner.remove()
        outer.remove()


@control_groups
def test_what_a_process_that_was_killed_left_is_removed_by_the_next():
    code = (
        "from jslds_bench.processes.control_group import control_group; "
        "print(control_group(10**9)._folder, flush=True); input()"
    )
    pipe = subprocess.PIPE
    maker = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)
    left = Path(maker.stdout.readline().strip())
    (left / "inner").mkdir()
    maker.kill()
    maker.communicate()
    group = control_group(10**9)
    assert not left.exists()
    group.remove()


def test_version_2_is_told_to_end_all_of_a_group_and_not_to_swap(tmp_path):
    group = ControlGroup(tmp_path / "group", module._VERSIONS["cgroup2"], 10**9)
    written = {file.name: file.read_text() for file in (tmp_path / "group").iterdir()}
    assert written == {"memory.max": str(10**9), "memory.swap.max": "0", "memory.oom.group": "1"}
    assert not group.exceeded()
    for own, exceeded in ((1, True), (0, False)):  # one around it, or within it, may have had no more
        (tmp_path / "group/memory.events").write_text("max 9\noom 1\noom_kill 2\noom_group_kill 1\n")
        (tmp_path / "group/memory.events.local").write_text(f"max 9\noom {own}\noom_kill 2\n")
        assert group.exceeded() == exceeded


@pytest.fixture
def version_2() -> Iterator[tuple[Path, str]]:
    """An empty group, and a controller that it may give to those in it."""
    try:
        (above,) = (folder for kind, folder in module._own_groups("") if kind == "cgroup2")
        controller, *_ = (above / "cgroup.controllers").read_text().split()
        switch = above / "cgroup.subtree_control"
        given = controller in switch.read_text().split()
        switch.write_text(f"+{controller}")
        own = above / f"test-{secrets.token_hex(4)}"
        own.mkdir()
    except (OSError, ValueError) as error:
        pytest.skip(f"this process may make no groups of version 2 with a controller: {error}")
    yield own, controller
    own.rmdir()
    if not given:
        switch.write_text(f"-{controller}")


# Beside another process of its group, and alone in it but for its own children. Only the memory controller
# has the files of a limit.
DELEGATES = """
import os, subprocess, sys
from pathlib import Path
from jslds_bench.processes import child, control_group as module
own, controller = Path(sys.argv[1]), sys.argv[2]
here = str(os.getpid())
(own / "cgroup.procs").write_text(here)
other = subprocess.Popen(["sleep", "60"])
try:
    module._delegated(own, controller)
except OSError:
    assert here in (own / "cgroup.procs").read_text().split()
    assert not [file for file in own.iterdir() if file.is_dir()]
    print("refused")
other.kill()
other.wait()
module._VERSIONS["cgroup2"].limits.clear()
child.control_group = lambda most: module.control_group(most, controller)
workers = [child.Child("json", {}, {}, most=10**9) for _ in range(2)]
for worker in workers:
    assert worker._group._folder.parent == own
    worker.kill()
    assert not worker._group._folder.exists()
assert controller in (own / "cgroup.subtree_control").read_text().split()
inside = own / f"jslds-bench-{here}-runner"
assert (inside / "cgroup.procs").read_text().split() == [here]
print("given")
"""


def test_version_2_gives_a_controller_to_groups_of_workers_where_nobody_else_is_in_it(version_2):
    own, controller = version_2
    command = [sys.executable, "-c", DELEGATES, str(own), controller]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    module._sweep(own)
    assert not [file for file in own.iterdir() if file.is_dir()]
    assert done.stdout.split() == ["refused", "given"], done.stderr


def test_odd_names_among_mounts_are_no_matter(monkeypatch):
    lines = {
        "/proc/self/cgroup": ["7:cpu,memory:/a b", "1:name=systemd:/", "0::/c"],
        "/proc/self/mountinfo": [
            "22 1 0:5 / / rw - tmpfs  rw",
            "23 1 0:6 / /m\udcff rw shared:1 - cgroup cgroup rw,memory",
            "24 1 0:7 /elsewhere /u rw - cgroup2 cgroup2 rw",
            "25 1 0:7 / /v rw - cgroup2  rw,nsdelegate",
        ],
    }
    monkeypatch.setattr(module, "_lines", lines.__getitem__)
    assert module._own_groups("memory") == [
        ("cgroup", Path("/m\udcff/a b")),
        ("cgroup2", Path("/v/c")),
    ]


@pytest.mark.parametrize(
    ("word", "error", "said"),
    [("x" * (1 << 22), OSError, "too long"), ("a\0b", ValueError, "null")],
    ids=["too long for the system", "no word"],
)
def test_the_group_of_a_process_that_does_not_start_is_removed(word, error, said, monkeypatch):
    removed = []

    class Group:
        def remove(self):
            removed.append(True)

    monkeypatch.setattr(child, "control_group", lambda most: Group())
    with pytest.raises(error, match=said):
        child.Child("jslds_bench.runner.worker", {}, {"WORD": word}, most=1 << 30)
    assert removed == [True]
