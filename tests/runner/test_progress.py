"""What a run shows: live on a terminal, sparse and plain elsewhere, nothing when quiet."""

import io

import pytest

from jslds_bench.runner.progress import ProgressBoard

KEY = ("memory", "standard", "jslds", 0)
NAME = "memory · standard · jslds · seed 0"


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and what is on its screen."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        lines = []
        for line in self.getvalue().split("\n"):
            cells: list[str] = []
            for part in line.split("\r"):
                cells[: len(part)] = part
            lines.append("".join(cells).rstrip())
        return lines


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


def report(board: ProgressBoard, clock: Clock, seconds: int) -> None:
    """A job that trains for `seconds`, one report a second, one of which is done per second."""
    board.job_started(KEY)
    for second in range(seconds + 1):
        clock.now = float(second)
        board.stage(0, KEY, second, seconds, f"training, loss {second}")


@pytest.mark.parametrize("total", [float("inf"), float("nan"), 10**400])
def test_a_count_to_infinity_is_shown_and_ends_nothing(clock, total):
    board = ProgressBoard(2, stream=Terminal(), clock=clock)
    for second in range(3):
        clock.now = float(second)
        board.stage(0, KEY, second, total, "searching")


def test_without_a_terminal_the_first_line_then_one_each_ten_seconds_and_the_job(clock):
    stream = io.StringIO()
    board = ProgressBoard(2, stream=stream, clock=clock)
    report(board, clock, 25)
    board.job_done(KEY, "ok")
    board.close()
    assert stream.getvalue().splitlines() == [
        f"[0/2] {NAME} | training, loss 0 | 0/25",
        f"[0/2] {NAME} | training, loss 10 | 10/25, 1/s, 15.0 s left",
        f"[0/2] {NAME} | training, loss 20 | 20/25, 1/s, 5.0 s left",
        f"[1/2] ok {NAME} (25.0 s)",
    ]


def test_on_a_terminal_one_line_is_redrawn_in_place_and_cleared(clock):
    stream = Terminal()
    board = ProgressBoard(2, stream=stream, clock=clock)
    report(board, clock, 25)
    assert stream.screen() == [f"[0/2] {NAME} | training, loss 25 | 25/25, 1/s, 0.0 s left"]
    board.stage(0, KEY, 0, 3, "fit")
    clock.now = 26.0
    board.stage(0, KEY, 1, 3, "fit")
    assert stream.screen() == [f"[0/2] {NAME} | fit | 1/3, 1/s, 2.0 s left"]
    board.close()
    assert stream.screen() == [""]


def test_the_live_line_is_redrawn_at_most_ten_times_a_second_and_fits_the_terminal(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    board = ProgressBoard(1, stream=stream, clock=clock)
    for i in range(1000):
        clock.now = i / 1000
        board.stage(0, KEY, i, 1000, "x")
    assert stream.getvalue().count("\r") == 10
    assert len(stream.screen()[0]) == 19


@pytest.mark.parametrize(
    ("stream", "no_color", "coloured"),
    [(Terminal, "", True), (Terminal, "1", False), (io.StringIO, "", False)],
)
def test_colour_only_on_a_terminal_and_without_no_color(stream, no_color, coloured, clock, monkeypatch):
    monkeypatch.setenv("NO_COLOR", no_color)
    out = stream()
    board = ProgressBoard(1, stream=out, clock=clock)
    report(board, clock, 2)
    board.job_done(KEY, "failed", "no memory")
    board.close()
    assert ("\x1b" in out.getvalue()) == coloured


def test_a_dumb_terminal_is_treated_as_no_terminal(clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    report(ProgressBoard(1, stream=stream, clock=clock), clock, 5)
    assert "\r" not in stream.getvalue()


def test_quiet_shows_nothing(clock):
    stream = Terminal()
    board = ProgressBoard(1, quiet=True, stream=stream, clock=clock)
    report(board, clock, 30)
    board.job_done(KEY, "failed", "no memory")
    board.note("a note")
    board.close()
    assert stream.getvalue() == ""


def test_failures_are_said_with_their_reason_and_counted(clock):
    stream = io.StringIO()
    board = ProgressBoard(3, stream=stream, clock=clock)
    board.job_done(KEY, "diverged", "loss is nan\nat step 3")
    board.job_done(KEY, "unsupported", "needs an expansion network")
    assert stream.getvalue().splitlines() == [
        f"[1/3, 1 failed] diverged {NAME}: loss is nan at step 3",
        f"[2/3, 1 failed] unsupported {NAME}: needs an expansion network",
    ]


def test_kept_jobs_are_counted_but_not_printed_and_do_not_distort_the_time_left(clock):
    stream = io.StringIO()
    board = ProgressBoard(16, stream=stream, clock=clock)
    for _ in range(10):
        board.job_done(KEY, "kept")
    for second in (20.0, 40.0, 60.0, 80.0):
        clock.now = second
        board.job_done(KEY, "ok")
        board.stage(0, KEY, 1, 2, "fit")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 8
    assert lines[-3:] == [
        f"[13/16] {NAME} | fit | 1/2",
        f"[14/16] ok {NAME}",
        f"[14/16] {NAME} | fit | 1/2 | in all about 40.0 s left",
    ]


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_the_title_comes_with_the_first_thing_to_show(stream, clock):
    out = stream()
    board = ProgressBoard(3, title="a suite, to out", stream=out, clock=clock)
    board.job_done(KEY, "kept")
    assert out.getvalue() == ""
    board.stage(0, KEY, 0, 10, "train")
    board.job_done(KEY, "ok")
    board.close()
    lines = out.getvalue().splitlines() if stream is io.StringIO else out.screen()
    assert lines[0] == "a suite, to out: 3 jobs, 1 of them kept"
    assert sum("a suite" in line for line in lines) == 1


def test_a_board_that_had_nothing_to_show_has_no_title(clock):
    out = io.StringIO()
    ProgressBoard(1, title="a suite", stream=out, clock=clock).close()
    assert out.getvalue() == ""
    board = ProgressBoard(1, title="a suite", stream=out, clock=clock)
    board.job_done(KEY, "kept")
    board.close()
    assert out.getvalue() == "a suite: 1 job, 1 of them kept\n"


def test_workers_are_counted(clock):
    stream = io.StringIO()
    board = ProgressBoard(stream=stream, clock=clock)
    board.stage(0, KEY, 0, 10, "train")
    clock.now = 20.0
    board.stage(1, KEY, 0, 10, "train")
    assert stream.getvalue().splitlines()[-1] == f"[0] {NAME} | train | 0/10 | 2 at once"


def test_work_that_is_no_job_is_shown_when_it_takes_long(clock):
    stream = io.StringIO()
    board = ProgressBoard(stream=stream, clock=clock)
    for second in range(31):
        clock.now = float(second)
        board.work(second, 30, "drawing figures")
    assert stream.getvalue().splitlines() == [
        "drawing figures | 2/30, 1/s, 28.0 s left",
        "drawing figures | 12/30, 1/s, 18.0 s left",
        "drawing figures | 22/30, 1/s, 8.0 s left",
    ]
    terminal = Terminal()
    board = ProgressBoard(stream=terminal, clock=clock)
    for tenth in range(19):
        clock.now = 31 + 0.1 * tenth
        board.work(tenth, 19, "drawing figures")
    assert terminal.getvalue() == ""


def test_a_closed_stderr_silences_the_board_and_does_not_end_the_run(clock):
    stream = io.StringIO()
    board = ProgressBoard(1, stream=stream, clock=clock)
    stream.close()
    report(board, clock, 30)
    board.job_done(KEY, "ok")
    board.close()
    assert stream.closed


@pytest.mark.parametrize(
    ("total", "left"), [(200, "3:19 min left"), (3700, "1:01:39 h left"), (3, "2.0 s left"), (1, None)]
)
def test_time_left_is_written_for_people(total, left, clock):
    stream = Terminal()
    board = ProgressBoard(stream=stream, clock=clock)
    board.stage(0, KEY, 0, total, "x")
    clock.now = 1.0
    board.stage(0, KEY, 1, total, "x")
    assert (f", {left}" in stream.screen()[0]) if left else stream.screen()[0].endswith("| x")
