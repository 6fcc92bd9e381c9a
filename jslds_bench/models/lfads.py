"""LFADS on spikes: its generator trained alone and linearised about fixed points found afterwards."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from jslds_bench.entries.registry import MODELS
from jslds_bench.lfads.objective import DEFAULT_WEIGHTS
from jslds_bench.models._shared.spike_autoencoder import Generator, Kind, SpikeAutoencoder
from jslds_bench.models.fixed_points import FixedPointModel
from jslds_bench.models.taylor_at_state import ExpansionAtState


@MODELS.register("lfads")
@dataclasses.dataclass(frozen=True)
class PlainLFADS(SpikeAutoencoder):
    """Autonomous LFADS; its generator is explained by expansions about the nearest numerical fixed point.

    What `fixed_points` is on networks: the search starts from visited states of the generator.
    Reference: Pandarinath et al. (2018).

    Attributes:
        about: what its linear systems are expansions about: "fixed_points", the nearest of them, or "states",
            the states themselves. The latter says what the generator does where it is, and explains little:
            its `relative_error` is 0 by construction.
        cell: of the generator, by name.
        n_encoder, n_generator, n_factors: sizes of the parts.
        n_steps, batch, rate: training steps, trials in each, and the peak rate of Adam.
        dropout: share of dropped spikes, encoder summaries and generator outputs.
        n_samples: samples of the initial state that rates are averaged over.
    """

    about: Literal["fixed_points", "states"] = "fixed_points"

    def kind(self) -> Kind:
        """No expansion network."""
        return Kind(None, "rnn", DEFAULT_WEIGHTS)

    def linearise(self, generator: Generator) -> Any:
        """The expansions; None where they are about fixed points and the search finds none."""
        if self.about == "states":
            return ExpansionAtState(generator.network.cell, generator.network.params)
        if not len(generator.points):
            return None
        return FixedPointModel().about(generator.network, generator.u_stars, [generator.points])
