"""A process of ours as its runner sees it: started so that nothing unnamed runs in it, heard as JSON lines,
and ended with all that it started. No JAX.

The other end is `channel`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jslds_bench.errors import printable
from jslds_bench.processes.control_group import control_group

# With -P a html.py or numpy.py in the current folder is not run, as it would be by `python -m`; and the
# package is the runner's own, whether or not one is installed.
_START = """
import importlib, importlib.util, json, sys
package, name, settings = sys.argv[1:]
spec = importlib.util.spec_from_file_location("jslds_bench", package)
sys.modules["jslds_bench"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
importlib.import_module(name).main(**json.loads(settings))
"""
_PACKAGE = Path(__file__).absolute().parents[1] / "__init__.py"
_MARK = "JSLDS_BENCH_CHILD"
_LONGEST = 1 << 26  # bytes of one line
_SHOWN = 60  # of one that is no event


@dataclasses.dataclass(frozen=True)
class Garbled:
    """What came from a process in place of an event, in part."""

    text: str


class Child:
    """A process that runs ``main(runner=…, **settings)`` of the module `name`.

    Args:
        environment: what to add to that of this process.
        most: bytes of memory that it and what it starts may take, where the kernel can be had to see to that.
    """

    def __init__(
        self, name: str, settings: Mapping[str, Any], environment: Mapping[str, str], most: int | None = None
    ) -> None:
        # What it starts inherits this, by which it is found.
        self._mark = secrets.token_hex(12)
        told = json.dumps({"runner": os.getpid(), **settings})
        # Before there is a child, which would keep this process's own group from having groups within it.
        self._group = None if most is None else control_group(most)
        with contextlib.ExitStack() as failed:
            if self._group is not None:
                failed.callback(self._group.remove)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, str(_PACKAGE), name, told],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **environment, _MARK: self._mark},
                start_new_session=True,  # Ctrl-C reaches the runner alone, which then ends its processes
            )
            failed.pop_all()
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        if self._group is not None:
            try:
                self._group.add(self._process.pid)
            except OSError:
                self._group.remove()
                self._group = None
        self.output = self._process.stdout
        self._input = self._process.stdin
        self._pieces: list[bytes] = []  # of a line whose end has not come

    def send(self, content: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # its death is noticed when its output ends
            self._input.write(json.dumps(content).encode() + b"\n")
            self._input.flush()

    def read(self) -> list[dict[str, Any] | Garbled] | None:
        """What has arrived, or None at the end of its output."""
        data = os.read(self.output.fileno(), 1 << 16)
        if not data:
            return None
        first, *more = data.split(b"\n")
        self._pieces.append(first)
        if not more:
            if sum(map(len, self._pieces)) <= _LONGEST:
                return []
            line, self._pieces = b"".join(self._pieces)[:_SHOWN], []
            return [_event(line)]
        *lines, rest = more
        lines, self._pieces = [b"".join(self._pieces), *lines], [rest]
        return [_event(line) for line in lines]

    def ended(self) -> bool:
        """Whether it has; something that it started may still hold its output."""
        return self._process.poll() is not None

    def memory(self) -> int:
        """Bytes of memory that it and what it started take, sessions of their own apart; 0 off Linux.

        0 too where the kernel counts: pages that processes share are counted for each of them here.
        """
        pages = 0
        for process in _session(self._process.pid) if self._group is None else ():
            with contextlib.suppress(OSError, ValueError, IndexError):
                pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def exceeded(self) -> bool:
        """Whether the kernel has killed it, or something that it started, at `most`."""
        return self._group is not None and self._group.exceeded()

    def halt(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> str:
        """Ends it and what it started; how it ended, in words."""
        if not self.ended():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        for _ in range(100):  # what is started while one looks is found the next time
            inside = [] if self._group is None else self._group.members()
            if not (left := [*_marked(self._mark), *inside]):
                break
            for process in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
        with contextlib.suppress(OSError):  # what it was not told any more
            self._input.close()
        self.output.close()
        if self._group is not None:
            self._group.remove()
        if code < 0:
            return f"signal {-code} ({signal.Signals(-code).name})"
        return f"exit code {code}"

    def wait(self) -> str:
        """How one whose output has ended ended, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        return self.kill()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)


def _event(line: bytes) -> dict[str, Any] | Garbled:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return Garbled(printable(line[:_SHOWN].decode(errors="replace")))
    return event


def shown(event: Any) -> str:
    """An event that nobody expects, or what came in place of one, as messages quote it."""
    return event.text if isinstance(event, Garbled) else printable(str(event))[:_SHOWN]


def _processes() -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield from (name for name in os.listdir("/proc") if name.isdigit())


def _session(leader: int) -> Iterator[int]:
    """The processes of the session that `leader` began, itself included."""
    for name in _processes():
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The command's name, in brackets, may hold anything.
            if int(Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[3]) == leader:
                yield int(name)


def _marked(mark: str) -> Iterator[int]:
    """The running processes whose environment has `mark`, and that are not waited for."""
    sought = f"{_MARK}={mark}".encode()
    for name in _processes():
        with contextlib.suppress(OSError):
            if sought in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                yield int(name)
