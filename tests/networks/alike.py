"""When two networks, or parts of them, are the same to the last bit."""

import jax
import numpy as np

from jslds_bench.types import Network


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(x, y)


def arrays_of(network: Network):
    return network.params, network.h0, network.readout, network.expansion
