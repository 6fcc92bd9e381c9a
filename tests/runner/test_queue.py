"""The order in which groups of jobs are handed out."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from jslds_bench.runner.queue import Queue


def groups(*words: str):
    """Of "a2": two jobs of task a; each group is told from the others by its seed."""
    return [
        [(word[0], "network", f"model {i}", seed) for i in range(int(word[1]))]
        for seed, word in enumerate(words)
    ]


def taken(queue: Queue, task: str = "") -> list[int]:
    """The seeds of all that is left, taken by one worker, whose task is that of its latest group."""
    seeds = []
    while queue:
        group = queue.take(task)
        task = group[0][0]
        seeds.append(group[0][-1])
    return seeds


def test_the_longest_come_first_and_of_these_those_of_the_worker_s_task():
    left = groups("a1", "b2", "a2", "b1", "a2", "b2")
    assert taken(Queue(left, len)) == [1, 5, 2, 4, 0, 3]
    assert taken(Queue(left, len), "a") == [2, 4, 1, 5, 3, 0]


def test_workers_without_a_task_of_their_own_go_where_fewest_others_are():
    queue = Queue(groups("a1", "a1", "b1", "b1", "c1"), len)
    first = queue.take("")
    assert first[0][0] == "a"
    assert queue.take("", ["a"])[0][0] == "b"
    assert queue.take("", ["a", "b"])[0][0] == "c"
    assert queue.take("c", ["a", "b", "b"])[0][0] == "a"  # its own has none left
    assert queue.take("c", ["a"])[0][0] == "b"


def test_what_is_put_back_is_taken_next_in_its_order():
    left = groups("a3", "a1", "b1")
    queue = Queue(left, len)
    first = queue.take("b")
    queue.put_back([first[:1], first[1:]])
    assert queue.take("b") == first[:1]
    queue.put_back([first[:1]])
    assert [queue.take("b"), queue.take("b")] == [first[:1], first[1:]]
    assert taken(queue, "b") == [2, 1]
    assert not queue


@given(st.lists(st.sampled_from(["a1", "b1", "c1", "a2", "b2"])), st.sampled_from("abc"))
def test_every_group_is_taken_once_and_none_before_a_longer_one(words, task):
    left = groups(*words)
    seeds = taken(Queue(left, len), task)
    assert sorted(seeds) == list(range(len(words)))
    lengths = [len(left[seed]) for seed in seeds]
    assert lengths == sorted(lengths, reverse=True)


def test_taking_one_of_many_costs_no_more_than_one_of_few():
    def seconds(n: int) -> float:
        queue = Queue(groups(*["a1", "b1"] * n), len)
        start = time.process_time()
        for _ in range(500):
            queue.take("b")
        return time.process_time() - start

    assert min(seconds(50_000) for _ in range(3)) < 5 * max(min(seconds(500) for _ in range(3)), 1e-3)
