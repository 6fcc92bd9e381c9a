"""A network of known regimes, and trials that drive it, for models to be fitted to."""

from __future__ import annotations

import jax
import pytest

from jslds_bench.networks.analytic import Analytic
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.tasks.perturbations import Perturbations
from jslds_bench.types import Network, Trials

DRIVE = Perturbations(n_steps=12)


@pytest.fixture(scope="module")
def flip_flop() -> Network:
    return Analytic("flip_flop", n_state=4).build(DRIVE, jax.random.key(0))


@pytest.fixture(scope="module")
def trials() -> Trials:
    return ev.draw_trials(DRIVE, 0, "fit", 128)
