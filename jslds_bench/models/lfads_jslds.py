"""LFADS-JSLDS on spikes: the generator is a network co-trained with its own JSLDS."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp

from jslds_bench.entries.registry import MODELS
from jslds_bench.lfads.objective import Weights
from jslds_bench.lfads.parameters import Expansion
from jslds_bench.models._shared.spike_autoencoder import Generator, Kind, SpikeAutoencoder
from jslds_bench.models.jslds import JacobianSwitching


@MODELS.register("lfads_jslds")
@dataclasses.dataclass(frozen=True)
class LFADSJSLDS(SpikeAutoencoder):
    """Autonomous LFADS whose generator is the co-trained pair of eqs. 5–9, without input and with u* = 0.

    Both branches start from the same g_0 and share dropout masks, factors and log-rates.
    Reference: Smith et al. (2021), section 4.3 and appendix A.5.1.

    Attributes:
        branch: which generator makes the rates that are scored: "rnn" or "jslds".
        expansion: what E is before training: "identity" (the paper's tanh∘tanh) or "origin" (the constant 0).
            Begun as the former E keeps following the state, generator states being small.
        weight_e, weight_a: λ_e and λ_a of eq. 9; sums over bins and units, means over trials.
        cell: of the generator, by name.
        n_encoder, n_generator, n_factors: sizes of the parts.
        n_steps, batch, rate: training steps, trials in each, and the peak rate of Adam.
        dropout: share of dropped spikes, encoder summaries and generator outputs.
        n_samples: samples of the initial state that rates are averaged over.
    """

    branch: Literal["rnn", "jslds"] = "rnn"
    expansion: Expansion = "origin"
    weight_e: float = 100.0
    weight_a: float = 10.0

    def kind(self) -> Kind:
        """A pair, with the λ of this entry."""
        return Kind(self.expansion, self.branch, Weights(e=self.weight_e, a=self.weight_a))

    def linearise(self, generator: Generator) -> JacobianSwitching:
        """The JSLDS that the generator was trained with."""
        network = generator.network
        assert network.expansion is not None
        points = (jnp.zeros((0, network.n_state)),)  # its expansion points are asked for along trials
        return JacobianSwitching(
            network.cell,
            "star",
            network.params,
            network.expansion,
            u_stars=generator.u_stars,
            expansions=points,
        )
