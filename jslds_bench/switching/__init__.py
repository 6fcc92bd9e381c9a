"""Switching linear dynamical systems: x_t = A_k x_{t−1} + V_k u_t + b_k + N(0, Q_k), k = z_t.

Everything runs in float64 behind the entry points of `model`, whatever the rest of the process uses.
"""
