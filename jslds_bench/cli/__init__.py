"""The command line: ``jslds-bench VERB …``. Tables go to stdout, progress and errors to stderr.

Exit codes: 0 all well, 1 regression or finding, 2 some jobs failed, 3 usage, 70 internal error, 129, 130 and
143 interrupted.
Nothing heavy is imported before a verb needs it, so that help is instant.
"""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from jslds_bench import __version__
from jslds_bench.cli.arguments import HELP, parse, parser_of
from jslds_bench.cli.output import flush, say, tolerate_narrow_encodings
from jslds_bench.cli.verbs import OK, USAGE, VERBS
from jslds_bench.errors import UsageError, printable

INTERNAL = 70
INTERRUPTED = 128 + signal.SIGINT
_LONGEST = 4000  # characters of an error: a file may hold names of any length
_ENDS = (signal.SIGTERM, signal.SIGHUP)
_AGAIN_S = 0.02  # until what was swallowed comes again
UNREAD = 141  # 128 + SIGPIPE: whoever read our output went away

__all__ = ["main"]


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, made to unwind as Ctrl-C does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    words = [word for word in given if word != "--debug"]
    debug = len(words) < len(given)
    tolerate_narrow_encodings()
    try:
        with _ends_unwind():
            code = _dispatch(words)
            flush()
            return code
    except KeyboardInterrupt as interrupt:
        what, code = "interrupted", INTERRUPTED
        if isinstance(interrupt, Terminated):
            what, code = "terminated", 128 + interrupt.args[0]
        if words[:1] == ["run"]:
            what += ": finished jobs are kept, the same command"
            # Without it there is no telling which records are of the run that was stopped.
            anew = " without --no-resume goes on from there, and keeps those of earlier runs too"
            what += anew if "--no-resume" in words else " goes on from there"
        return _end(what, code, debug)
    except UsageError as error:
        return _end(str(error), USAGE, debug)
    except BrokenPipeError:
        return UNREAD
    except Exception as error:  # the promise of one line and no traceback holds for our own mistakes as well
        line = f"internal error: {type(error).__name__}: {error}; run again with --debug"
        return _end(line, INTERNAL, debug)


def _dispatch(words: list[str]) -> int:
    if not words:
        raise UsageError("say what to do, as in: jslds-bench run --suite smoke (try: jslds-bench --help)")
    verb, *rest = words
    if verb in ("-h", "--help", "help", "--version"):
        say(f"jslds-bench {__version__}" if verb == "--version" else HELP)
        return OK
    parser = parser_of(verb)
    if "-h" in rest or "--help" in rest:
        say(parser.format_help().rstrip())
        return OK
    return VERBS[verb](parse(parser, rest))


def _end(message: str, code: int, debug: bool) -> int:
    """Say `message` in one line on stderr (after the traceback, when debugging); return `code`."""
    line = printable(message)
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
    try:
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"jslds-bench: {line}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # stderr is closed: the exit code has to do
        return code
    return code


@contextmanager
def _ends_unwind() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into Terminated, so that workers are stopped and temporary files removed.

    What is ignored (as nohup has it of SIGHUP) stays so. An interrupt that came while the garbage collector
    called someone (JAX has it call) is swallowed by Python, and therefore comes again: by an alarm that
    repeats until its handler has run, for one that comes just before a system call is left until that ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    swallowed: KeyboardInterrupt | None = None
    hooked = False

    def again(number: int, frame: FrameType | None) -> None:
        if not hooked:  # what is raised there is swallowed for good
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise swallowed or KeyboardInterrupt

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        nonlocal swallowed, hooked
        found = unraisable.exc_value
        if not isinstance(found, KeyboardInterrupt):
            return hook_before(unraisable)
        hooked, swallowed = True, type(found)(*found.args)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)
        hooked = False

    hook_before, sys.unraisablehook = sys.unraisablehook, hook
    kinds = [number for number in _ENDS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in kinds}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, again)
    try:
        yield
    finally:
        if swallowed is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = hook_before
        for number, earlier in before.items():
            signal.signal(number, earlier)
