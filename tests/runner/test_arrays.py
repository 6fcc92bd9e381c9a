"""More parts than one job array has, and than Slurm takes at once; what a task reads is its own array's."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import slurm

from jslds_bench.errors import UsageError
from jslds_bench.runner.executors import slurm as executor
from jslds_bench.runner.executors.shards import Ended, Shard
from jslds_bench.runner.executors.slurm import Slurm

FAKE = """\
#!{python}
# Slurm's commands: indices below {size}, {most} tasks in the queue at most; each look at it ends one of them.
import json, os, re, subprocess, sys
from pathlib import Path

state = Path({state!r})
known = json.loads(state.read_text()) if state.exists() else {{"n": 0, "queue": [], "log": []}}
name = Path(sys.argv[0]).name
if name == "sbatch":
    script = Path(sys.argv[-1])
    first, last = map(int, re.search(r"--array=(\\d+)-(\\d+)", script.read_text()).groups())
    if last >= {size}:
        sys.exit("sbatch: error: Batch job submission failed: Invalid job array specification")
    if len(known["queue"]) + last - first + 1 > {most}:
        known["log"].append("refused")
        state.write_text(json.dumps(known))
        sys.exit("sbatch: error: Batch job submission failed: Job violates accounting/QOS policy")
    known["n"] += 1
    known["queue"] += [[known["n"], k, str(script)] for k in range(first, last + 1)]
    known["log"].append(f"array of {{last - first + 1}}")
    print(f"{{known['n']}};alone")
elif name == "squeue":
    jobs = set(map(int, sys.argv[sys.argv.index("--jobs") + 1].split(",")))
    if known["queue"]:
        number, k, script = known["queue"].pop(0)
        log = re.search("--output=(.+)", Path(script).read_text())[1].replace("%a", str(k))
        with open(log, "ab") as out:
            subprocess.run(["sh", script], env={{**os.environ, "SLURM_ARRAY_TASK_ID": str(k)}}, stdout=out)
    form = sys.argv[-1].removeprefix("--format=")
    for number, k, _ in known["queue"]:
        if number in jobs:
            print(form.replace("%F", str(number)).replace("%K", str(k)))
elif name == "scancel":
    known["queue"] = [one for one in known["queue"] if str(one[0]) not in sys.argv[1:]]
state.write_text(json.dumps(known))
"""


def shards(folder: Path, n: int) -> list[Shard]:
    """Parts that do nothing but say their number, every fifth in vain."""

    def one(i: int) -> Shard:
        did = shlex.quote(str(folder / f"did-{i}"))
        command = "sh", "-c", f"echo part {i}; touch {did}; exit {code(i)}"
        return Shard(i, (("task", "network", "model", i),), folder / f"shard-{i}", command)

    return [one(i) for i in range(n)]


def code(i: int) -> int:
    return 3 if i % 5 == 4 else 0


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Puts a false Slurm on the path, which takes indices below `size` and `most` tasks; its state's file."""

    def make(size: int, most: int) -> Path:
        state = tmp_path / "state.json"
        for name in ("sbatch", "squeue", "scancel"):
            file = tmp_path / "bin" / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(FAKE.format(python=sys.executable, state=str(state), size=size, most=most))
            file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(executor, "MOST", size)
        return state

    return make


def ends(parts: list[Shard]) -> dict[int, Ended]:
    found = {}
    for shard, ended in Slurm(every=0.0).run(parts):
        assert shard.number not in found
        found[shard.number] = ended
    return found


def test_indices_of_every_array_begin_at_none(fake, tmp_path):
    fake(size=4, most=100)
    parts = shards(tmp_path, 10)
    found = ends(parts)
    assert found == {i: Ended(code(i), f"part {i}") for i in range(10)}
    assert all((tmp_path / f"did-{i}").exists() for i in range(10))


def test_what_slurm_does_not_take_yet_waits(fake, tmp_path):
    state = fake(size=3, most=5)
    assert set(ends(shards(tmp_path, 11))) == set(range(11))
    log = state.read_text()
    assert log.count("array of") == 4
    assert "refused" in log


def test_what_slurm_takes_never_ends_the_run(fake, tmp_path):
    fake(size=3, most=2)
    with pytest.raises(UsageError, match=r"sbatch failed: .*violates"):
        ends(shards(tmp_path, 4))


def test_what_a_task_reads_does_not_grow_with_the_number_of_parts(fake, tmp_path):
    fake(size=3, most=100)
    seen = {}
    for n in (3, 12):
        (tmp_path / str(n)).mkdir()
        parts = shards(tmp_path / str(n), n)
        run = Slurm(every=0.0).run(parts)
        next(run)
        seen[n] = max(file.stat().st_size for file in (tmp_path / str(n)).glob("commands*"))
        run.close()
    assert abs(seen[12] - seen[3]) < 12  # numbers of more digits


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not all(map(shutil.which, slurm.NEEDED)), reason="needs Debian's packages slurm-wlm and munge"
)
def test_a_real_slurm_takes_more_parts_than_an_array_has(tmp_path, monkeypatch):
    """Its MaxArraySize is about indices, not numbers of tasks: one more than the largest."""
    monkeypatch.setattr(executor, "MOST", 20)
    with slurm.cluster(tmp_path / "cluster", "MaxArraySize=21") as environment:
        monkeypatch.setenv("SLURM_CONF", environment["SLURM_CONF"])
        (tmp_path / "parts").mkdir()
        parts = shards(tmp_path / "parts", 43)
        assert ends(parts) == {i: Ended(code(i), f"part {i}") for i in range(len(parts))}
