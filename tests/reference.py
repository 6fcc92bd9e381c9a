"""Equations 3–9 of Smith, Linderman and Sussillo (2021), word for word: the slow oracle of the fast core.

One trial and one step at a time, in float64, with both Jacobians written out by hand. It shares no code with
the package and reads only the arrays in its parameter tuples. Vectors are columns here, as in the paper, so
the package's matrices (rows are inputs) are transposed where they are read. Everything is analytic in the
parameters, so that a complex step gives exact gradients (`gradient`).
"""

from typing import NamedTuple

import numpy as np


class Trajectory(NamedTuple):
    """Over t = 1 … T: h_t, a_t, e*_t and F(e*_t, u*)."""

    h: list
    a: list
    e: list
    f_e: list


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru_gates(theta, h, u):
    """Reset gate r, update gate s and candidate c."""
    (w, v, b), (w_c, v_c, b_c) = theta
    n = h.shape[0]
    r = sigmoid(w[:, :n].T @ h + v[:, :n].T @ u + b[:n])
    s = sigmoid(w[:, n:].T @ h + v[:, n:].T @ u + b[n:])
    c = np.tanh(w_c.T @ (r * h) + v_c.T @ u + b_c)
    return r, s, c


def leak(cell, theta, h, u):
    """α, f(z) and f'(z) of a leaky cell, z = Wᵀ h + Vᵀ u + b."""
    ((w, v, b),) = theta
    z, alpha = w.T @ h + v.T @ u + b, float(cell.split("alpha=")[1].split(",")[0])
    if "relu" in cell:
        return alpha, np.where(z.real > 0, z, 0), (z.real > 0) * 1.0
    if "softplus" in cell:
        return alpha, np.log(1 + np.exp(z)), sigmoid(z)
    return alpha, np.tanh(z), 1 - np.tanh(z) ** 2


def on(cell, h):
    """1 for units that pass on what they hold: all but those of the last P that are negative."""
    last = np.arange(len(h)) >= len(h) - int(cell.split("p=")[1][:-1])
    return np.where(last & (h.real <= 0), 0.0, 1.0)


def of_rank(cell, kappa):
    """The first `rank` units; the others are nothing."""
    rank = int(cell.split("rank=")[1].split(",")[0].rstrip(")"))
    return np.where(np.arange(len(kappa)) < rank, kappa, 0.0)


def latent(cell, theta, h, u):
    """α, and what of the state lies in the recurrence's few dimensions."""
    (w, v, b), _ = theta
    alpha = float(cell.split("alpha=")[1][:-1]) if "alpha=" in cell else 0.2
    return alpha, of_rank(cell, w.T @ np.tanh(h) + v.T @ u + b)


def update(cell, theta, h, u):
    """h_t = F(h_{t−1}, u_t; θ), the left half of eq. 3."""
    if cell.startswith("leaky"):
        alpha, f, _ = leak(cell, theta, h, u)
        return (1 - alpha) * h + alpha * f
    if cell.startswith("al_rnn"):
        (w, v, b), (a, _, _) = theta
        return a * h + w.T @ (on(cell, h) * h) + v.T @ u + b
    if cell.startswith("low_rank"):
        (_, _, _), (w, v, b) = theta
        alpha, kappa = latent(cell, theta, h, u)
        return (1 - alpha) * h + alpha * (w.T @ kappa + v.T @ u + b)
    if cell == "vanilla":
        ((w, v, b),) = theta
        return np.tanh(w.T @ h + v.T @ u + b)
    _, s, c = gru_gates(theta, h, u)
    return s * h + (1 - s) * c


def recurrent_jacobian(cell, theta, h, u):
    """∂F/∂h by hand."""
    if cell.startswith("leaky"):
        alpha, _, slope = leak(cell, theta, h, u)
        return (1 - alpha) * np.eye(len(h)) + alpha * np.diag(slope) @ theta[0][0].T
    if cell.startswith("al_rnn"):
        return np.diag(theta[1][0]) + theta[0][0].T @ np.diag(on(cell, h))
    if cell.startswith("low_rank"):
        alpha, _ = latent(cell, theta, h, u)
        slopes = np.diag(1 - np.tanh(h) ** 2)
        within = np.diag(of_rank(cell, np.ones(len(h))))
        return (1 - alpha) * np.eye(len(h)) + alpha * theta[1][0].T @ within @ theta[0][0].T @ slopes
    if cell == "vanilla":
        ((w, _, _),) = theta
        return np.diag(1 - update(cell, theta, h, u) ** 2) @ w.T
    (w, _, _), (w_c, _, _) = theta
    n = h.shape[0]
    r, s, c = gru_gates(theta, h, u)
    dr = np.diag(r * (1 - r)) @ w[:, :n].T
    ds = np.diag(s * (1 - s)) @ w[:, n:].T
    dc = np.diag(1 - c**2) @ w_c.T @ (np.diag(r) + np.diag(h) @ dr)
    return np.diag(s) + np.diag(h - c) @ ds + np.diag(1 - s) @ dc


def input_jacobian(cell, theta, h, u):
    """∂F/∂u by hand."""
    if cell.startswith("leaky"):
        alpha, _, slope = leak(cell, theta, h, u)
        return alpha * np.diag(slope) @ theta[0][1].T
    if cell.startswith("al_rnn"):
        return theta[0][1].T
    if cell.startswith("low_rank"):
        alpha, _ = latent(cell, theta, h, u)
        within = np.diag(of_rank(cell, np.ones(len(h))))
        return alpha * (theta[1][0].T @ within @ theta[0][1].T + theta[1][1].T)
    if cell == "vanilla":
        ((_, v, _),) = theta
        return np.diag(1 - update(cell, theta, h, u) ** 2) @ v.T
    (_, v, _), (w_c, v_c, _) = theta
    n = h.shape[0]
    r, s, c = gru_gates(theta, h, u)
    dr = np.diag(r * (1 - r)) @ v[:, :n].T
    ds = np.diag(s * (1 - s)) @ v[:, n:].T
    dc = np.diag(1 - c**2) @ (w_c.T @ np.diag(h) @ dr + v_c.T)
    return np.diag(h - c) @ ds + np.diag(1 - s) @ dc


def expansion(cell, theta, h_star, u_star, h, u, zeroth):
    """The right side of eq. 3 (zeroth = "value") or of eq. 4 (zeroth = "point")."""
    constant = update(cell, theta, h_star, u_star) if zeroth == "value" else h_star
    return (
        constant
        + recurrent_jacobian(cell, theta, h_star, u_star) @ (h - h_star)
        + input_jacobian(cell, theta, h_star, u_star) @ (u - u_star)
    )


def expansion_network(cell, theta, phi, a, u, u_star, units=None):
    """e*_t = E(a_{t−1}; φ), eq. 6: each layer x ← tanh(x + W x + b), or with V(u − u*) in it, or F(x, u*).

    With units s: x ← s tanh(x/s + W x/s + b).
    """
    s = 1.0 if units is None else units
    for layer in phi:
        if not layer:
            a = update(cell, theta, a, u_star)
            continue
        w, b, v = layer
        x = a / s
        a = s * np.tanh(x + w.T @ x + b + (0.0 if v is None else v.T @ (u - u_star)))
    return a


def run(cell, theta, phi, h_0, inputs, u_star, units=None):
    """Network (eq. 3, left) and JSLDS (eqs. 5 and 6), each from h_0 on its own states, one trial."""
    out = Trajectory([], [], [], [])
    h = a = h_0
    for u in inputs:
        h = update(cell, theta, h, u)
        e = expansion_network(cell, theta, phi, a, u, u_star, units)
        a = expansion(cell, theta, e, u_star, a, u, "point")
        for rows, row in zip(out, (h, a, e, update(cell, theta, e, u_star)), strict=True):
            rows.append(row)
    return out


def fixed_point_regularizer(trajectory):
    """R_e of one trial, eq. 7."""
    return sum(np.sum((e - f) ** 2) for e, f in zip(trajectory.e, trajectory.f_e, strict=True))


def approximation_regularizer(trajectory):
    """R_a of one trial, eq. 8."""
    return sum(np.sum((a - h) ** 2) for a, h in zip(trajectory.a, trajectory.h, strict=True))


def task_loss(readout, states, targets, mask):
    """Summed squared error of one trial's outputs over its scored steps."""
    w, b = readout
    return sum(m * np.sum((w.T @ h + b - y) ** 2) for h, y, m in zip(states, targets, mask, strict=True))


def squared_norm(*arrays):
    return sum(np.sum(x**2) for x in arrays)


def co_training_terms(cell, theta, phi, h_0, readout, trials, units=None):
    """L_RNN, L_JSLDS, R_e and R_a, the sums of eqs. 7 and 8 divided by trials × steps × units."""
    inputs, targets, mask, u_star = trials
    n_trials, n_steps = inputs.shape[:2]
    scored = n_trials * np.sum(mask) * targets.shape[-1]
    states = n_trials * n_steps * h_0.shape[0]
    rnn = jslds = r_e = r_a = 0.0
    for i in range(n_trials):
        trajectory = run(cell, theta, phi, h_0, inputs[i], u_star[i], units)
        rnn += task_loss(readout, trajectory.h, targets[i], mask)
        jslds += task_loss(readout, trajectory.a, targets[i], mask)
        r_e += fixed_point_regularizer(trajectory)
        r_a += approximation_regularizer(trajectory)
    return {"rnn": rnn / scored, "jslds": jslds / scored, "e": r_e / states, "a": r_a / states}


def co_training_loss(cell, weights, theta, phi, h_0, readout, trials, units=None):
    """Eq. 9 with the l2 term of the authors' code."""
    terms = co_training_terms(cell, theta, phi, h_0, readout, trials, units)
    lambdas = {"rnn": weights.rnn, "jslds": weights.jslds, "e": weights.e, "a": weights.a}
    l2 = weights.l2 * squared_norm(
        *(x for affine in theta for x in affine), *(x for layer in phi for x in layer if x is not None)
    )
    return sum(lambdas[name] * terms[name] for name in lambdas) + l2


def network_loss(cell, weights, theta, h_0, readout, trials):
    """The task alone: mean squared error of the network's outputs, and l2 on θ."""
    inputs, targets, mask, _ = trials
    total = 0.0
    for i in range(inputs.shape[0]):
        h, states = h_0, []
        for u in inputs[i]:
            h = update(cell, theta, h, u)
            states.append(h)
        total += task_loss(readout, states, targets[i], mask)
    mean = total / (inputs.shape[0] * np.sum(mask) * targets.shape[-1])
    return mean + weights.l2 * squared_norm(*(x for affine in theta for x in affine))


def gradient(function, arrays):
    """∂function/∂x for every entry x of a list of arrays, by complex steps: exact to rounding."""
    step, gradients = 1e-40, [np.zeros(a.shape) for a in arrays]
    for k, array in enumerate(arrays):
        for index in np.ndindex(array.shape):
            moved = array.astype(complex)
            moved[index] += 1j * step
            gradients[k][index] = function([*arrays[:k], moved, *arrays[k + 1 :]]).imag / step
    return gradients
