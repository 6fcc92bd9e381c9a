"""A Slurm cluster of this machine alone, for tests: Debian's munged, slurmctld and slurmd in a folder."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
CONFIGURATION = """\
ClusterName=alone
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={other}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MinJobAge=60
JobRequeue=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=only Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def cluster(folder: Path, more: str = "", cpus: int = 2) -> Iterator[dict[str, str]]:
    """The environment that commands of Slurm need to reach a cluster that lives in `folder`.

    Args:
        more: lines of its configuration.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    text = CONFIGURATION.format(
        host=socket.gethostname().partition(".")[0],
        user=getpass.getuser(),
        folder=folder,
        cpus=cpus,
        port=_free_port(),
        other=_free_port(),
    )
    (folder / "slurm.conf").write_text(f"{text}{more}\n")
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    files = {
        "socket": "munge.socket",
        "key-file": "munge.key",
        "pid-file": "munge.pid",
        "seed-file": "munge.seed",
    }
    words = [f"--{option}={folder / file}" for option, file in files.items()]
    daemons = [
        ["munged", "--foreground", "--force", *words, f"--log-file={folder / 'munge.log'}"],
        ["slurmctld", "-D", "-i"],
        ["slurmd", "-D"],
    ]
    started = []
    try:
        for command in daemons:
            path = shutil.which(command[0]) or command[0]
            with (folder / f"{command[0]}.out").open("wb") as log:
                started.append(
                    subprocess.Popen([path, *command[1:]], env=environment, stdout=log, stderr=log)
                )
            time.sleep(1)
        _until_idle(environment)
        yield environment
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _until_idle(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 60
    said = ""
    while time.monotonic() < deadline:
        done = subprocess.run(["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True, text=True)
        said = done.stdout + done.stderr
        if done.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    raise RuntimeError(f"the cluster did not start: {said}")
