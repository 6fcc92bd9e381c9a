"""More parts than one job array has, and than Slurm takes at once; what a task reads is its own array's."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import slurm

from jslds_bench.errors import UsageError
from jslds_bench.runner.executors import slurm as executor
from jslds_bench.runner.executors.shards import Ended, Shard
from jslds_bench.runner.executors.slurm import Slurm

FAKE = """\
#!{python}
# Slurm's commands: indices below {size}, {most} tasks in the queue at most; each look at it ends one.
import json, os, re, subprocess, sys
from pathlib import Path

state = Path({state!r})
known = json.loads(state.read_text()) if state.exists() else {{"n": 0, "queue": [], "log": []}}
name = Path(sys.argv[0]).name
queue, log = known["queue"], known["log"]
if name == "sbatch":
    script = Path(sys.argv[-1])
    text = script.read_text()
    first, last = map(int, re.search(r"--array=(\\d+)-(\\d+)", text).groups())
    if last >= {size}:
        sys.exit("sbatch: error: Batch job submission failed: Invalid job array specification")
    if len(queue) + last - first + 1 > {most}:
        log.append(["refused", last + 1])
        state.write_text(json.dumps(known))
        sys.exit("sbatch: error: Job violates accounting/QOS policy (job submit limit)")
    known["n"] += 1
    log.append(["taken", last + 1])
    called = [word.removeprefix("--job-name=") for word in sys.argv if word.startswith("--job-name=")][-1]
    (out,) = [word.removeprefix("--output=") for word in sys.argv if word.startswith("--output=")]
    queue += [[known["n"], k, str(script), called, out] for k in range(first, last + 1)]
    print(f"{{known['n']}};alone")
elif name == "squeue":
    if {fails}:
        sys.exit("slurm_load_jobs error: Unable to contact slurm controller")
    (called,) = [word.removeprefix("--name=") for word in sys.argv if word.startswith("--name=")]
    if queue:
        number, k, script, _, out = queue.pop(0)
        known["log"].append(["ended", number, k])
        if [number, k] not in {loses}:
            told = {{"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": str(k)}}
            with open(out.replace("%A", str(number)).replace("%a", str(k)), "ab") as file:
                subprocess.run(["sh", script], env={{**os.environ, **told}}, stdout=file)
    form = sys.argv[-1].removeprefix("--format=")
    for number, k, _, of, _ in queue:
        if of == called:
            print(form.replace("%F", str(number)).replace("%K", str(k)))
elif name == "scancel":
    (called,) = [word.removeprefix("--name=") for word in sys.argv if word.startswith("--name=")]
    log.append(["cancelled", sum(one[3] == called for one in queue)])
    known["queue"] = [one for one in queue if one[3] != called]
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
    """Puts a false Slurm on the path; `loses` are tasks (array, index) that end without a trace."""

    def make(size: int, most: int, loses: tuple[list[int], ...] = (), fails: bool = False) -> None:
        for name in ("sbatch", "squeue", "scancel"):
            file = tmp_path / "bin" / name
            file.parent.mkdir(exist_ok=True)
            told = {"size": size, "most": most, "loses": list(loses), "fails": fails}
            file.write_text(FAKE.format(python=sys.executable, state=str(tmp_path / "state.json"), **told))
            file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(executor, "MOST", size)
        monkeypatch.setattr(executor, "AGAIN", 0.01)

    return make


def log(tmp_path: Path, what: str) -> list[int]:
    """What the false Slurm did of a kind: numbers of tasks."""
    return [one[-1] for one in json.loads((tmp_path / "state.json").read_text())["log"] if one[0] == what]


def ends(parts: list[Shard]) -> dict[int, Ended]:
    found = {}
    for shard, ended in Slurm(every=0.0).run(parts):
        assert shard.number not in found
        found[shard.number] = ended
    return found


def test_indices_of_every_array_begin_at_none(fake, tmp_path):
    fake(size=4, most=100)
    found = ends(shards(tmp_path, 10))
    assert found == {i: Ended(code(i), f"part {i}") for i in range(10)}
    assert all((tmp_path / f"did-{i}").exists() for i in range(10))
    assert log(tmp_path, "taken") == [4, 4, 2]


def test_a_folder_may_have_blanks_and_quotes_in_its_name(fake, tmp_path):
    fake(size=4, most=100)
    folder = tmp_path / "my 'own' runs"
    folder.mkdir()
    assert ends(shards(folder, 3)) == {i: Ended(0, f"part {i}") for i in range(3)}
    with pytest.raises(UsageError, match=r"choose an --out without"):
        ends(shards(tmp_path / "a%A", 1))


def test_what_slurm_does_not_take_yet_waits(fake, tmp_path):
    fake(size=3, most=5)
    assert ends(shards(tmp_path, 14)) == {i: Ended(code(i), f"part {i}") for i in range(14)}
    assert sum(log(tmp_path, "taken")) == 14
    assert log(tmp_path, "refused")


def test_fewer_than_an_array_are_submitted_where_slurm_takes_no_more(fake, tmp_path):
    fake(size=8, most=3)
    assert set(ends(shards(tmp_path, 8))) == set(range(8))
    assert log(tmp_path, "refused")[:2] == [8, 4]
    assert log(tmp_path, "taken")[0] == 2


def test_a_slurm_that_takes_nothing_ends_the_run(fake, tmp_path):
    fake(size=3, most=0)
    with pytest.raises(UsageError, match=r"sbatch failed: .*violates"):
        ends(shards(tmp_path, 4))
    fake(size=3, most=100)
    for file in ("sbatch", "squeue", "scancel"):
        script = tmp_path / "bin" / file
        script.write_text(script.read_text().replace("last >= 3", "last >= 2"))
    with pytest.raises(UsageError, match="Invalid job array"):
        ends(shards(tmp_path, 4))


def test_a_task_of_a_later_array_that_leaves_no_trace_is_lost(fake, tmp_path):
    fake(size=3, most=100, loses=([2, 1],))
    found = ends(shards(tmp_path, 7))
    assert found.pop(4) == Ended(None, "")
    assert found == {i: Ended(code(i), f"part {i}") for i in (0, 1, 2, 3, 5, 6)}


def test_a_slurm_that_does_not_answer_loses_nothing(fake, tmp_path):
    fake(size=3, most=100, fails=True)
    run = Slurm(every=0.01).run(shards(tmp_path, 2))

    def answers() -> None:
        time.sleep(0.5)  # of many looks
        fake(size=3, most=100)

    with ThreadPoolExecutor() as pool:
        later = pool.submit(answers)
        assert [shard.number for shard, ended in run if ended.code == 0] == [0, 1]
        later.result()


def test_another_name_among_the_options_changes_nothing(fake, tmp_path):
    fake(size=3, most=100)
    run = Slurm("--job-name=mine --partition=cpu", every=0.0).run(shards(tmp_path, 2))
    assert [ended for _, ended in run] == [Ended(0, "part 0"), Ended(0, "part 1")]


def test_all_arrays_of_a_run_are_cancelled_and_those_of_one_that_was_killed(fake, tmp_path):
    fake(size=3, most=100)
    run = Slurm(every=0.0).run(shards(tmp_path, 8))
    next(run)
    run.close()
    assert log(tmp_path, "cancelled") == [7]
    assert not (tmp_path / "name").exists()

    run = Slurm(every=0.0).run(shards(tmp_path, 8))
    next(run)
    name = (tmp_path / "name").read_bytes()
    run.close()
    killed = json.loads((tmp_path / "state.json").read_text())
    killed["queue"] = [[9, k, "script", name.decode()] for k in range(5)]
    (tmp_path / "state.json").write_text(json.dumps(killed))
    (tmp_path / "name").write_bytes(name)
    assert set(ends(shards(tmp_path, 2))) == {0, 1}
    assert log(tmp_path, "cancelled") == [7, 7, 5, 0]


def test_what_an_earlier_run_left_is_not_taken_for_this_one_s(fake, tmp_path):
    fake(size=3, most=100)
    for k in range(3):
        (tmp_path / f"code-1-{k}").write_text("7")
        (tmp_path / f"log-1-{k}").write_text("of another\n")
    assert ends(shards(tmp_path, 3)) == {i: Ended(0, f"part {i}") for i in range(3)}


def test_what_a_task_reads_does_not_grow_with_the_number_of_parts(fake, tmp_path):
    fake(size=3, most=100)
    seen = {}
    for n in (3, 12):
        (tmp_path / str(n)).mkdir()
        run = Slurm(every=0.0).run(shards(tmp_path / str(n), n))
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
