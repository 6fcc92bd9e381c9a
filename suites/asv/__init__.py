"""Benchmarks of the numerical core for airspeed velocity (asv): `asv run --environment existing:same …`."""
