"""A plug-in whose models do to their process what code of others may do, where the environment says so.

UNRULY_IMPORT names what importing this file does. Each model does what its name says: when it is made, when
it is asked what it serves, or when it is fitted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jslds_bench.models.persistence import Persistence
from jslds_bench.types import MODELS


def write_to_pipes() -> None:
    for number in range(3, 30):
        with contextlib.suppress(OSError):
            os.write(number, b'{"event": "finished", "key": 7}\n[[[\n')
    time.sleep(600)


def raise_one() -> None:
    raise KeyError("no\nsuch thing")


WAYS: dict[str, Callable[[], Any]] = {
    "raises": raise_one,
    "leaves": lambda: sys.exit(0),
    "exits": lambda: os._exit(0),
    "crashes": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "hangs": lambda: time.sleep(600),
    "writes": write_to_pipes,
}
if way := os.environ.get("UNRULY_IMPORT"):
    WAYS[way]()


@MODELS.register("when_made")
@dataclasses.dataclass(frozen=True)
class WhenMade(Persistence):
    way: str = "raises"

    def __post_init__(self) -> None:
        WAYS[self.way]()


@MODELS.register("when_asked")
@dataclasses.dataclass(frozen=True)
class WhenAsked(Persistence):
    way: str = "raises"

    def unsupported(self, task: Any, network: Any) -> str | None:
        WAYS[self.way]()
        return None


@MODELS.register("when_fitted")
@dataclasses.dataclass(frozen=True)
class WhenFitted(Persistence):
    way: str = "raises"

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        WAYS[self.way]()


@MODELS.register("unlucky")
@dataclasses.dataclass(frozen=True)
class Unlucky(Persistence):
    """Its worker dies the first time."""

    mark: str = ""

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        if not Path(self.mark).exists():
            Path(self.mark).touch()
            os._exit(7)
        return super().fit(*args, **kwargs)


@MODELS.register("greedy")
@dataclasses.dataclass(frozen=True)
class Greedy(Persistence):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        held = []
        while True:
            held.append(np.ones(2**24))  # 134 MB
            time.sleep(0.05)


@MODELS.register("hider")
@dataclasses.dataclass(frozen=True)
class Hider(Persistence):
    """What takes too much is of a session of its own, and it goes on without it for `then` seconds."""

    then: float = 0.0

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        takes = "import time; held = b'1' * 3 * 10**9; time.sleep(600)"
        subprocess.run([sys.executable, "-c", takes], start_new_session=True, check=False)
        time.sleep(self.then)
        return super().fit(*args, **kwargs)


@MODELS.register("ravenous")
@dataclasses.dataclass(frozen=True)
class Ravenous(Persistence):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        np.ones(2**40)


@MODELS.register("parent")
@dataclasses.dataclass(frozen=True)
class Parent(Persistence):
    """Leaves a child of a session of its own, and one that holds the pipe on which the worker is heard."""

    mark: str = ""

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        other = subprocess.Popen(["sleep", "600"], start_new_session=True)
        if not (own := os.fork()):
            time.sleep(600)
        Path(self.mark).write_text(f"{other.pid} {own}")
        os._exit(0)


@MODELS.register("stops_in_silence")
@dataclasses.dataclass(frozen=True)
class StopsInSilence(Persistence):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        from jslds_bench.processes.channel import Channel

        receive = Channel.receive

        def held(channel: Channel) -> Any:
            receive(channel)  # the silence is there
            time.sleep(600)

        Channel.receive = held  # type: ignore[method-assign]
        return super().fit(*args, **kwargs)


@MODELS.register("slow")
@dataclasses.dataclass(frozen=True)
class Slow(Persistence):
    """Takes seconds of the processor."""

    seconds: float = 5.0

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            pass
        return super().fit(*args, **kwargs)


@MODELS.register("threaded")
@dataclasses.dataclass(frozen=True)
class Threaded(Persistence):
    """Leaves a thread that does not end."""

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        threading.Thread(target=time.sleep, args=(600,)).start()
        return super().fit(*args, **kwargs)
