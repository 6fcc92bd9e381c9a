"""What is left to do, and who is to do it next. No JAX."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jslds_bench.suite import Key

Group = list[Key]


class Queue:
    """Groups of jobs: those put back first, then the longest, and of these rather one of a worker's own task,
    or else of the task that fewest others are at.

    Taking one costs the same however many are left.

    Args:
        groups: in the order in which equally long ones are begun.
        length: what groups are ordered by.
    """

    def __init__(self, groups: Iterable[Group], length: Callable[[Group], Any]) -> None:
        self._back: deque[Group] = deque()
        left: dict[Any, dict[str, deque[Group]]] = {}
        for group in groups:
            left.setdefault(length(group), {}).setdefault(group[0][0], deque()).append(group)
        self._alike = deque(left[key] for key in sorted(left, reverse=True))

    def __bool__(self) -> bool:
        return bool(self._back or self._alike)

    def take(self, task: str, others: Sequence[str] = ()) -> Group:
        """The next group for a worker whose latest was of `task`: what it has compiled may serve again.

        `others` are the tasks of the other workers: two that begin with one task compile the same at once.
        """
        if self._back:
            return self._back.popleft()
        of_task = self._alike[0]
        chosen = task if task in of_task else min(of_task, key=others.count)
        group = of_task[chosen].popleft()
        if not of_task[chosen]:
            del of_task[chosen]
        if not of_task:
            self._alike.popleft()
        return group

    def put_back(self, groups: Sequence[Group]) -> None:
        """Has `groups` taken next, in their order."""
        self._back.extendleft(reversed(groups))
