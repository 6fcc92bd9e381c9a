"""Workers import what they rest on before they are ready."""

import json
import subprocess
import sys

import pytest

from jslds_bench.settings import NAMES
from jslds_bench.suite import load_suite, registries, resolve

SUITE = """
schema = 1
name = "imports"
seeds = [0]
n_trials = 16
"""
TABLES = {
    "networks": """
[[tasks]]
name = "context_integration"
n_steps = 5
[[networks]]
name = "cotrained"
n_state = 6
n_steps = 3
[[models]]
name = "jslds"
[[models]]
name = "rslds"
n_latent = 2
n_modes = [2]
max_iterations = 2
""",
    "recordings": """
[[tasks]]
name = "nascar"
n_steps = 100
[[models]]
name = "rslds"
max_iterations = 2
""",
    "spikes": """
[[tasks]]
name = "spiking_rotations"
SPIKES
[[models]]
name = "lfads"
n_steps = 3
""",
}
WORKER = """
import json, sys
from jslds_bench.runner import worker


class Channel:
    def receive(self):
        before.append({name for name in sys.modules if name.startswith("jslds_bench")})
        return json.loads(sys.stdin.readline()) if len(before) == 1 else None

    def send(self, event, **content):
        if event == "finished":
            ended.append([content["status"], content["reason"]])

    def stage(self, done, total, text):
        pass


before, ended = [], []
worker.begin = lambda runner: Channel()
worker.main(0, [], sys.argv[1], None)
print(json.dumps([ended, sorted(before[1] - before[0])]))
"""


@pytest.mark.parametrize("setting", NAMES)
def test_a_worker_imports_nothing_of_the_package_once_it_is_ready(setting, tmp_path, unoptimised):
    """What is edited while it works changes nothing that it does: its digests are of what it imported."""
    smoke = registries()["tasks"].get("spiking_rotations").SMOKE
    tables = TABLES[setting].replace("SPIKES", "\n".join(f"{k} = {v}" for k, v in smoke.items()))
    (tmp_path / "imports.toml").write_text(SUITE + tables)
    jobs = resolve(load_suite(str(tmp_path / "imports.toml"))).jobs
    command = {
        "jobs": [job.content for job in jobs],
        "attempts": [1] * len(jobs),
        "plugins": [],
        "fresh": True,
    }
    command |= {"out": str(tmp_path / "run"), "batched": False, "shared": True}
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path)],
        input=json.dumps(command) + "\n",
        capture_output=True,
        text=True,
        env={**unoptimised, "JSLDS_BENCH_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr
    ended, late = json.loads(done.stdout.splitlines()[-1])
    assert ended == [["ok", None]] * len(jobs)
    assert late == []
