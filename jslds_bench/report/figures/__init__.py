"""Figures, from arrays and numbers alone."""
