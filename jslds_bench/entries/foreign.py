"""How code of others is called while a run is planned: whatever it raises, the run goes on without it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from jslds_bench.entries import plugins
from jslds_bench.errors import BrokenPlugin, UsageError, printable, text_of

T = TypeVar("T")


class Foreign:
    """Calls to code of others.

    Args:
        failed: by subject why it is not called any more: it did not come back from an earlier call.
        watched: what to be in while a subject is to do something; told both.
    """

    def __init__(
        self,
        failed: Mapping[str, str] | None = None,
        watched: Callable[[str, str], AbstractContextManager[None]] = lambda subject, to: nullcontext(),
    ) -> None:
        self._failed = failed or {}
        self._watched = watched

    def __call__(self, subject: str, to: str, call: Callable[[], T]) -> T:
        """What `call`, which has `subject` do what `to` says, returns.

        Raises:
            BrokenPlugin: it raised something, or is not called any more.
            UsageError: what the user wrote is wrong.
        """
        if subject in self._failed:
            raise BrokenPlugin(self._failed[subject])
        try:
            with self._watched(subject, to):
                return call()
        except (UsageError, KeyboardInterrupt):
            raise
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
            why = f"{type(error).__name__} at {place}: {text_of(error)}"
            raise BrokenPlugin(failure(subject, to, why)) from error

    def plugin(self, file: str) -> ModuleType:
        """The module of a plug-in file.

        Raises:
            UsageError: no such file.
            BrokenPlugin: it does not import.
        """
        return self(f"plug-in {file}", "be imported", lambda: plugins.load(file))


def failure(subject: str, to: str, why: str) -> str:
    """Why `subject` did not do what it was to do."""
    return printable(f"{subject} could not {to}: {why}")
