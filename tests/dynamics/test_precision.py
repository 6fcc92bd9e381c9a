"""float32 means float32: products are asked for at full precision wherever something is trained or scored."""

import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from jslds_bench.dynamics.jslds import co_rollout
from jslds_bench.dynamics.linearize import jacobians
from jslds_bench.dynamics.rollout import rollout
from jslds_bench.dynamics.training import co_training_loss
from jslds_bench.entries.sources import NAME, Sources
from jslds_bench.networks._shared.modules import initial_parameters
from jslds_bench.settings import NAMES
from jslds_bench.suite import registries
from jslds_bench.suite.resolving import TEMPLATE
from jslds_bench.tasks.nbit_memory import NBitMemory

TASK = NBitMemory(n_bits=1, n_steps=5, n_unscored=1)


def precisions(function, *args) -> list[str]:
    """What each product of the program that XLA is given is to have, both sides in one."""
    text = jax.jit(function).lower(*args).as_text()
    lines = [line for line in text.splitlines() if "stablehlo.dot_general" in line]
    return [found.group(1) if (found := re.search(r"precision = \[(.*?)\]", line)) else "" for line in lines]


@pytest.fixture(scope="module")
def programs(make_network):
    cell = make_network("gru").cell
    p = initial_parameters("gru", 2, 4, 1, jax.random.key(0), expansion=True)
    trials = TASK.sample(jax.random.key(1), 3)
    h0 = jnp.broadcast_to(p.h0, (3, 4))
    loss = co_training_loss(cell, TASK.setup.weights)
    return {
        "training step": (lambda p, t: jax.value_and_grad(loss, has_aux=True)(p, t), p, trials),
        "network": (lambda p, u: rollout(cell, p.theta, h0, u), p, trials.inputs),
        "both": (lambda p, t: co_rollout(cell, p.theta, p.phi, h0, t.inputs, t.u_star), p, trials),
        "jacobians": (lambda p, t: jacobians(cell, p.theta, h0, t.u_star), p, trials),
    }


@pytest.mark.parametrize("name", ["training step", "network", "both", "jacobians"])
def test_every_product_is_asked_for_in_full(programs, name):
    found = precisions(*programs[name])
    assert len(found) >= 2
    assert set(found) == {"HIGHEST, HIGHEST"}


def test_a_product_that_is_not_would_be_seen():
    with jax.default_matmul_precision("default"):
        assert precisions(jnp.matmul, jnp.ones((2, 2)), jnp.ones((2, 2))) != ["HIGHEST, HIGHEST"]


def test_whoever_trains_fits_or_scores_imports_what_sets_it():
    """So nobody, by the runner or by hand, gets a number without it."""
    entries = {
        registry.get(n).__module__ for registry in registries().values() for n in registry.registered()
    }
    own = {name for name in entries if name.startswith(f"{NAME}.")}
    modules = [*own, TEMPLATE, *(f"{NAME}.settings.{name}" for name in NAMES), f"{NAME}.dynamics.training"]
    assert len(modules) > 20
    sources = Sources()
    assert [name for name in modules if f"{NAME}.types.core" not in sources.closure([name])] == []


def test_the_environment_does_not_undo_it():
    code = "import jax, jslds_bench.tasks; print(jax.config.jax_default_matmul_precision)"
    env = {**os.environ, "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "highest"
