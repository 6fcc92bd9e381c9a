"""Analyses of trajectories: jPCA, and angles between planes. Pure functions of arrays, no JAX."""
