"""Models of spikes: the rates that they infer, and the linear systems behind them."""

from __future__ import annotations

from collections.abc import Iterator

from jslds_bench.report.data.run import RunData
from jslds_bench.report.plans.modes import k_plans
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.plans.scores import scores_plan
from jslds_bench.report.plans.spikes import spike_plans
from jslds_bench.report.settings.base import Setting

SHAPES = {
    "spikes_time": "T",
    "spikes_bin": "",
    "spikes_example_counts": "B T Y",
    "spikes_example_rates": "B T Y",
    "spikes_example_rates_jslds": "B T Y",
    "spikes_example_rates_true": "B T Y",
    "spikes_example_units": "Y",
    "spikes_psth": "F T Y",
    "spikes_psth_data": "F T Y",
    "spikes_jpca_projection": "C J 4",
    "spikes_jpca_frequencies": "Q",
    "spikes_jpca_r2": "2",
    "spikes_states": "B T1 3",
    "spikes_linear_states": "B T1 3",
    "spikes_expansion_points": "B T 3",
    "spikes_fixed_points": "X 3",
    "spikes_eigenvalues": "H complex",
    "spikes_eigenvalue_cloud": "A V complex",
    "spikes_plane_frequencies": "W",
    "spikes_plane_eigenvalues": "W complex",
    "spikes_jpca_angles": "W Q",
    "spikes_jpca_angles_null": "2",
    "spikes_true_frequencies": "I",
}
"""B example trials of T bins, Y sample units, F sample conditions; times in s, rates in spikes/s. C condition
means at J times are on the axes of the first two of Q jPC planes; states, and X fixed points, are in the
first three principal components of the generator's states. There are H eigenvalues of the mean linear system,
the V largest at each of A sampled steps, W leading complex pairs, and I planted frequencies, Hz. Angles are
in degrees; those of chance: 5th percentile and median."""


class Spikes(Setting):
    """A model is fitted to binned spikes, and scored on units that it does not see."""

    leading = "co_bits_per_spike"
    lead = "Most co-smoothing bits per spike"
    about = (
        "Models of spikes are fitted to binned counts: bits per spike are what they gain over each unit's "
        "mean rate on held-out trials, co-smoothing ones on units that they do not see there; their relative "
        "error is that of the linear system's states from the generator's."
    )
    names_network = False
    shapes = SHAPES

    def plans(self, data: RunData, task: str) -> Iterator[Plan]:
        yield from scores_plan(data, task)
        for network in data.networks_of(task):
            yield from spike_plans(data, task, network)
            yield from k_plans(data, task, network)


SETTING = Spikes()
