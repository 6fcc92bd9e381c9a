"""What became of a job that gave no values, in words. No JAX."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from jslds_bench.errors import Diverged, NotApplicable, Unsupported, UsageError, printable, said, text_of
from jslds_bench.records.record import Record, Status
from jslds_bench.suite.job import Job


def blank_record(job: Job, status: Status, reason: str | None, environment: dict[str, Any]) -> Record:
    """A record without values: what is written for a job that did not come to an end."""
    return Record(
        job.suite,
        *job.key,
        parameters=job.parameters,
        status=status,
        reason=reason,
        values={},
        series={},
        detail={},
        environment=environment,
        digest=job.digest,
        setting=job.setting,
        origin=job.origin,
        caption=job.caption,
    )


class NetworkFailed(Exception):
    """The network of a group of jobs could not be had, for the reason that is its cause."""


def outcome(error: BaseException) -> tuple[Status, str]:
    """Status and one-line reason for what a job raised; unforeseen errors name their place."""
    if isinstance(error, NetworkFailed) and error.__cause__ is not None:
        status, reason = outcome(error.__cause__)
        return status, f"network: {reason}"
    if isinstance(error, Diverged):
        return "diverged", said(error)
    if isinstance(error, NotApplicable):
        return "unsupported", said(error)
    # Also what the runner says of models that break its rules.
    if isinstance(error, Unsupported | UsageError):
        return "failed", said(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return "failed", printable(f"{type(error).__name__}{place}: {text_of(error)[:300]}")
