"""A progress board for tests."""

from __future__ import annotations

from jslds_bench.runner.progress import ProgressBoard


class Board(ProgressBoard):
    """Shows nothing and keeps its notes."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
