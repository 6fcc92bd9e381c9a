"""One number out of several seeds, with what became of the seeds that gave none."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from jslds_bench.records.numbers import number
from jslds_bench.records.record import Record

NETWORK_HEADLINE = (
    "relative_error",
    "relative_error_one_step",
    "skill",
    "task_error_network",
    "task_error_model",
)
RECORDED_HEADLINE = (
    "state_accuracy",
    "mode_eigenvalue_error",
    "mode_point_error",
    "forecast_error",
    "held_out_elbo_per_step",
    "held_out_bits_per_spike",
    "seconds_per_iteration",
)
SPIKES_HEADLINE = (
    "co_bits_per_spike",
    "bits_per_spike",
    "rate_r2",
    "psth_r2",
    "velocity_r2",
    "relative_error",
    "frequency_error",
    "plane_angle",
    "single_system_spread",
)
HEADLINE = tuple(dict.fromkeys(NETWORK_HEADLINE + RECORDED_HEADLINE + SPIKES_HEADLINE))
TIMINGS = (
    "network_seconds",
    "fit_seconds",
    "seconds_per_iteration",
    "compile_seconds",
    "steps_per_second",
    "jacobians_per_second",
)
ORDER = (
    "relative_error",
    "relative_error_one_step",
    "skill",
    "skill_one_step",
    "nrmse",
    "valid_prediction_time",
    "task_error_network",
    "task_error_model",
    "fixed_point_speed",
    "fixed_point_precision",
    "fixed_point_recall",
    "fixed_point_chamfer",
    "eigenvalue_error",
    "jacobian_error",
    "state_accuracy",
    "mode_eigenvalue_error",
    "mode_point_error",
    "forecast_error",
    "elbo_per_step",
    "held_out_elbo_per_step",
    "held_out_bits_per_spike",
    "co_bits_per_spike",
    "bits_per_spike",
    "rate_r2",
    "psth_r2",
    "velocity_r2",
    "frequency_error",
    "plane_angle",
    "single_system_spread",
    "seconds_per_iteration",
    "steps_per_second",
    "jacobians_per_second",
    "compile_seconds",
    "fit_seconds",
    "network_seconds",
)
"""Metrics in the order in which tables show them; others follow by name."""


def _spread(sd: float, mean: str) -> str:
    """`sd` to as many places as the number beside it, or two digits where that would show nothing of it."""
    places = len(mean.partition(".")[2])
    plain = f"{sd:,.{places}f}"
    return plain if "e" not in mean and float(plain.replace(",", "")) > 0 else number(sd, 2)


@dataclasses.dataclass(frozen=True)
class Summary:
    """A metric over the seeds of one (task, network, model).

    Attributes:
        mean: over all values that there are; not finite as soon as one of them is not.
        sd: sample standard deviation (n − 1); NaN for fewer than two values.
        n_finite, n_diverged: how many values are finite, and how many are infinite or NaN.
        n_asked: how many seeds were asked for; the rest have no value.
        reason: why there is none, where there is none.
    """

    mean: float
    sd: float
    n_finite: int
    n_diverged: int
    n_asked: int
    reason: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every seed that was asked for gave a finite value."""
        return 0 < self.n_finite == self.n_asked

    @property
    def text(self) -> str:
        """``mean ± sd``; n/a; ``inf (diverged 1/3)``; ``[2/3]`` behind a mean over fewer seeds than asked."""
        if self.n_finite + self.n_diverged == 0:
            return "n/a"
        if self.n_diverged:
            return f"{number(self.mean)} (diverged {self.n_diverged}/{self.n_asked})"
        spread = f" ± {_spread(self.sd, number(self.mean))}" if math.isfinite(self.sd) else ""
        subset = f" [{self.n_finite}/{self.n_asked}]" if self.n_finite < self.n_asked else ""
        return f"{number(self.mean)}{spread}{subset}"


def summarise(values: Sequence[float], n_asked: int, reason: str | None = None) -> Summary:
    """The Summary of the `values` that exist, out of `n_asked` seeds."""
    found = np.asarray(values, dtype=float)
    finite = np.isfinite(found)
    if found.size == 0:
        return Summary(math.nan, math.nan, 0, 0, n_asked, reason)
    if not finite.all():
        odd = found[~finite]
        mean = float(odd[0]) if (odd == odd[0]).all() else math.nan
        return Summary(mean, math.nan, int(finite.sum()), odd.size, n_asked)
    sd = float(found.std(ddof=1)) if found.size > 1 else math.nan
    return Summary(float(found.mean()), sd, found.size, 0, n_asked)


def summarise_records(records: Iterable[Record], metric: str) -> Summary:
    """The Summary of `metric` over `records`, one per seed."""
    asked = list(records)
    cells = [r.values[metric] for r in asked if metric in r.values]
    reasons = [c.reason for c in cells if c.value is None and c.reason] + [
        r.reason for r in asked if r.reason
    ]
    return summarise(
        [c.value for c in cells if c.value is not None], len(asked), reasons[0] if reasons else None
    )
