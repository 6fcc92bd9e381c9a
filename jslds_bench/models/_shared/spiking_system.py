"""What `lds`, `slds` and `rslds` are on spikes: Poisson emissions of all units, states from those held in."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from jslds_bench.switching import model as switching
from jslds_bench.switching.parameters import Emission
from jslds_bench.switching.selection import Curve
from jslds_bench.types.spikes import Inferred, SpikeTrials

TOLERANCE = 1e-3
"""Nats per bin, of all units together: hundreds of them move the bound by more than recordings do."""
MOST_ITERATIONS = 12
"""Of inference: after 8 the fourth digit of bits per spike stands."""


@dataclasses.dataclass(frozen=True)
class SpikingSystem:
    """x_t = A_k x_{t−1} + b_k + noise, log-rates C x_t + d: a `types.SpikeModel`.

    Attributes:
        fitted: the system with the emissions of all units.
        held_in: the units that are seen, [N].
        curve: how K was chosen, where it was.
    """

    fitted: switching.Fit
    held_in: Any
    curve: Curve | None = None

    @classmethod
    def of(cls, fitted: switching.Fit, trials: SpikeTrials, curve: Curve | None = None) -> SpikingSystem:
        return cls(fitted, ~np.asarray(trials.held_out_units), curve)

    @property
    def _emission(self) -> Emission:
        return self.fitted.params.emission

    def infer(self, held_in: Any, conditions: Any, key: jax.Array) -> Inferred:
        """E exp(C x + d) under q(x), which has seen the held-in units at frozen parameters.

        There is no path from one h_0, as a generator has: posterior means are `visited`. A few iterations
        more or less of q, which end for all trials together, are all that trials have to do with each other.
        """
        seen = Emission(*(rows[self.held_in] for rows in self._emission))
        reduced = dataclasses.replace(self.fitted, params=self.fitted.params._replace(emission=seen))
        q = switching.infer(reduced, held_in, max_iterations=MOST_ITERATIONS, tolerance=TOLERANCE)
        return Inferred(switching.expected_observations(self.fitted, q.mean, q.cov), visited=q.mean)

    def systems(self, states: Any) -> np.ndarray | None:
        """A of the mode that the gate picks at each state; None for modes on a chain, which has a past."""
        a = self.fitted.params.linear.a
        if len(a) == 1:
            return np.repeat(a, len(states), axis=0)
        _, modes = switching.next_by_mode(self.fitted, states, np.zeros(0))
        return None if modes is None else a[modes]

    def loadings(self) -> np.ndarray:
        return np.asarray(self._emission.c).T

    def fixed_points(self) -> np.ndarray | None:
        """Those of modes that the gate picks at their own point; None where there is none."""
        found = switching.fixed_points(self.fitted, np.zeros(0))
        return found.points[found.real] if found.real.any() else None

    def fit_series(self) -> dict[str, list[float]]:
        """The objective per iteration, and the choice of K."""
        chosen = {} if self.curve is None else self.curve.series()
        return {"objective": self.fitted.objective.tolist()} | chosen
