"""Choice axes, selection vectors and slopes, on systems whose answer is known."""

import numpy as np
import pytest

from jslds_bench.analysis.decomposition import decompose
from jslds_bench.analysis.integration import choice_axes, choice_slopes, input_effects, selection_cosines


@pytest.fixture
def planted():
    """An integrator along r that takes up input s·l: right r, left l, inputs along l and across it."""
    rng = np.random.default_rng(0)
    r, other, x = np.linalg.qr(rng.normal(size=(6, 6)))[0][:3]
    left = r + 0.8 * other  # left · r = 1, not along r
    a = np.outer(r, left)  # eigenvalue 1 with r on the right, left on the left, all others 0
    across = x - (x @ left) / (left @ left) * left
    return a, r, np.column_stack([2 * left, across])


def test_selection_vector_takes_up_its_own_input_alone(planted):
    a, _, inputs = planted
    modes = decompose(np.stack([a, a]), 1)
    np.testing.assert_allclose(modes.values.real, 1)
    cosines = selection_cosines(modes.left[:, 0], np.stack([inputs, inputs]))
    np.testing.assert_allclose(cosines, [[1, 0], [1, 0]], atol=1e-12)
    assert np.isfinite(selection_cosines(np.zeros((1, 6)), inputs[None])).all()


def test_axes_are_orthonormal_and_signed(planted):
    a, r, inputs = planted
    modes = decompose(np.stack([a] * 4), 1)
    turned = modes.right[:, 0] * np.array([1, -1, 1j, -1j])[:, None]
    axes = choice_axes(turned, np.stack([inputs] * 4), readout=3 * r)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(axes[0], r, atol=1e-12)
    assert (np.einsum("an,na->a", axes[1:], inputs) > 0).all()
    # What is left of an input is in the span of the axes up to its own.
    np.testing.assert_allclose(axes[:2].T @ (axes[:2] @ inputs[:, 0]), inputs[:, 0], atol=1e-12)


def test_slopes_are_those_of_a_plane_with_noise_far_below():
    rng = np.random.default_rng(1)
    evidence = rng.normal(size=(60, 2))
    slopes = choice_slopes(0.7 + evidence @ [25.0, -0.5] + 1e-6 * rng.normal(size=60), evidence)
    np.testing.assert_allclose(slopes, [25, -0.5], atol=1e-5)


def test_effects_do_not_depend_on_the_length_of_left_eigenvectors(planted):
    a, r, inputs = planted
    left = decompose(a[None], 2).left
    modes, outputs = input_effects(left, inputs[None], r[:, None])
    again, _ = input_effects(5 * left, inputs[None], r[:, None])
    np.testing.assert_allclose(again, modes)
    np.testing.assert_allclose(outputs[0, :, 0], r @ inputs, atol=1e-12)
    assert modes.shape == (1, 2)
