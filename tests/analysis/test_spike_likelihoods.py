"""Bits per spike on made-up counts."""

import numpy as np
import pytest

from jslds_bench.analysis import spikes


def test_bits_per_spike_is_zero_for_the_null_model():
    y = np.random.default_rng(0).poisson(2.0, size=(3, 20, 4)).astype(float)
    mask = np.ones((3, 20))
    null = spikes.null_log_likelihood(y, mask)
    assert spikes.bits_per_spike(null, y, mask) == 0
    assert spikes.bits_per_spike(null + y.sum() * np.log(2), y, mask) == pytest.approx(1.0)
    assert spikes.null_log_likelihood(y, mask, np.full(4, 9.0)) < null
