"""Which accelerators workers compute on: another process is asked, this one starts none. No JAX."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from typing import NamedTuple

from jslds_bench.errors import UsageError

_ASK = "import jax, json; print(json.dumps([jax.default_backend(), jax.local_device_count()]))"
_PATIENCE = 120.0  # seconds in which a driver has to answer


class Devices(NamedTuple):
    """What JAX computes on by default: a platform ("cpu", "gpu", "tpu", …) and how many devices of it."""

    platform: str
    n: int


def places() -> list[dict[str, str]]:
    """What to add to the environment of a worker, for each that can have an accelerator to itself.

    Empty where JAX computes on the processor. Of a platform whose devices no variable tells apart there is
    one place, with all of them.

    Raises:
        UsageError: JAX cannot start the accelerators that it is set up for.
    """
    found = devices() if could_be() else Devices("cpu", 1)
    if found.platform == "cpu":
        return []
    if found.platform != "gpu":
        return [{}]
    # A worker sees its own device alone. The driver's variable (ROCm's too) says which there are, JAX's
    # which of those.
    visible, chosen = _listed("CUDA_VISIBLE_DEVICES"), _listed("JAX_CUDA_VISIBLE_DEVICES")
    numbers = chosen if chosen not in ([], ["all"]) else [str(i) for i in range(found.n)]
    names = [visible[int(i)] if visible else i for i in numbers]
    return [{"CUDA_VISIBLE_DEVICES": name, "JAX_CUDA_VISIBLE_DEVICES": "all"} for name in names[: found.n]]


def could_be() -> bool:
    """Whether JAX has anything to reach an accelerator with, and may: told without starting it."""
    if os.environ.get("JAX_PLATFORMS", "").strip().lower() == "cpu":
        return False
    spaces = any(importlib.util.find_spec(name) is not None for name in ("jax_plugins", "libtpu"))
    return spaces or bool(importlib.metadata.entry_points(group="jax_plugins"))


def devices() -> Devices:
    """What JAX has in a process like this one.

    Raises:
        UsageError: it does not start there.
    """
    # Without a folder on the path whose files could pass for modules, and without taking all memory.
    command, env = (
        [sys.executable, "-P", "-c", _ASK],
        {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
    )
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=_PATIENCE, check=True)
        return Devices(*json.loads(done.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        reason = f"no answer in {_PATIENCE:g} s"
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
    raise UsageError(
        f"JAX cannot start its devices ({reason}): `jslds-bench doctor` may show why; "
        "JAX_PLATFORMS=cpu does without them"
    )


def _listed(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]
