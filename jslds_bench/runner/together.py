"""Networks of several seeds made as one program, where whoever makes them offers it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from jslds_bench.entries.options import unswitched
from jslds_bench.entries.registry import NETWORKS, TASKS
from jslds_bench.errors import Diverged, text_of
from jslds_bench.runner.clock import Parts, timed
from jslds_bench.runner.job import Made
from jslds_bench.settings.draws import making_a_network, purpose_key, without_held_out
from jslds_bench.suite.job import Job
from jslds_bench.types.core import Network, Progress
from jslds_bench.types.networks import BatchSource


@dataclasses.dataclass(frozen=True)
class Together:
    """What came of one seed, and its share of the time by part (`clock.Parts`)."""

    outcome: Made | Diverged
    parts: dict[str, float]


def made_together(jobs: Sequence[Job], note: Callable[[str], None], progress: Progress) -> list[Together]:
    """The networks of `jobs`, which differ in their seed; none where they are to be made one by one.

    That is where their maker is no `BatchSource`, or where it fails for all at once, for lack of memory say:
    each by itself will do, or say what is wrong.
    """
    keys, parts = [purpose_key(job.seed, "network") for job in jobs], Parts()

    def make() -> list[Network | Diverged]:
        with unswitched():
            source, task = jobs[0].network.made(NETWORKS), jobs[0].task.made(TASKS)
            described = without_held_out(task)
            with making_a_network():
                many = isinstance(source, BatchSource)
                made = source.build_many(described, keys, progress) if many else []
        jobs[0].network.check_sources(source)
        jobs[0].task.check_sources(task)
        if made and len(made) != len(keys):
            raise ValueError(f"{len(made)} networks for {len(keys)} keys")
        return made

    try:
        with parts("network"):
            made, seconds = timed(make)
    except Exception as error:
        reason = f"{type(error).__name__}: {text_of(error)}"
        note(f"{jobs[0].network.label}: networks are made one by one, since together {reason[:300]}")
        return []
    n = len(jobs)
    shares = {name: spent / n for name, spent in parts.seconds().items()}
    return [
        Together(m if isinstance(m, Diverged) else Made(m, seconds / n, together=n), shares) for m in made
    ]
