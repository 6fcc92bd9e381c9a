"""Control: LFADS whose generator is one affine map."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jslds_bench.entries.registry import MODELS
from jslds_bench.lfads.objective import DEFAULT_WEIGHTS
from jslds_bench.models._shared.spike_autoencoder import Generator, Kind, SpikeAutoencoder
from jslds_bench.models.taylor_at_state import ExpansionAtState


@MODELS.register("lfads_affine")
@dataclasses.dataclass(frozen=True)
class AffineLFADS(SpikeAutoencoder):
    """Control: autonomous LFADS with g_t = g_{t−1} W + b; the one linear system is A = Wᵀ, by construction.

    All else is `lfads`'s. What it tells as well as `lfads_jslds` does needs no co-trained pair.

    Attributes:
        cell: of the generator; there is no other.
        n_encoder, n_generator, n_factors: sizes of the parts.
        n_steps, batch, rate: training steps, trials in each, and the peak rate of Adam.
        dropout: share of dropped spikes, encoder summaries and generator outputs.
        n_samples: samples of the initial state that rates are averaged over.
    """

    cell: Literal["affine"] = "affine"

    def kind(self) -> Kind:
        """No expansion network."""
        return Kind(None, "rnn", DEFAULT_WEIGHTS)

    def linearise(self, generator: Generator) -> ExpansionAtState:
        """An affine map is its own expansion, wherever that is: no fixed point is asked for."""
        return ExpansionAtState(generator.network.cell, generator.network.params)
