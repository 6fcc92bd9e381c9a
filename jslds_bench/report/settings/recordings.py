"""Models of recordings: whether they find the modes that made the data, and how well they explain others."""

from __future__ import annotations

from collections.abc import Iterator

from jslds_bench.report.data import modes
from jslds_bench.report.data.run import RunData
from jslds_bench.report.plans.modes import Meaning, k_plans, mode_plans, objective_plans
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.plans.scores import scores_plan
from jslds_bench.report.settings.base import Setting

MODES = Meaning(
    axes=("state 1", "state 2"),
    caption="Left: the true states, coloured by the true mode. Right: the states that the model infers, "
    "coloured by its most likely mode, in the true mode's colour where the two are matched.",
    panels=(
        ("true states and modes", ("modes_path",), "modes_true"),
        ("inferred states and modes", ("modes_inferred_path", "modes_path"), "modes_inferred"),
    ),
    note=lambda data, key, found: (
        "" if found.agreement is None else f"{100 * found.agreement:.1f} % in the true mode"
    ),
)


class Recordings(Setting):
    """A model is fitted to recorded trials themselves."""

    leading = "mode_accuracy"
    lead = "Most mode accuracy"
    about = (
        "Models of recordings are fitted to them directly: mode accuracy is the share of steps whose most "
        "likely mode is the true one, modes matched one to one."
    )
    names_network = False
    shapes = modes.SHAPES

    def plans(self, data: RunData, task: str) -> Iterator[Plan]:
        yield from scores_plan(data, task)
        for network in data.networks_of(task):
            yield from k_plans(data, task, network)
            yield from objective_plans(data, task, network)
            yield from mode_plans(data, task, network, MODES)


SETTING = Recordings()
