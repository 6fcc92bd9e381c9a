"""Trained parameters as frozen networks."""

from __future__ import annotations

from collections.abc import Iterable

from jslds_bench.dynamics.training import Parameters
from jslds_bench.errors import Diverged
from jslds_bench.types.core import Cell, Network


def as_network(cell: Cell, p: Parameters, kind: str, history: dict) -> Network:
    """A frozen network of trained parameters."""
    return Network(cell, p.theta, p.h0, p.readout, p.phi, kind, history)


def as_networks(
    cell: Cell, made: Iterable[tuple[Parameters, dict] | Diverged], kind: str
) -> list[Network | Diverged]:
    """The same of each of `train_many`'s; what diverged stays what it is."""
    return [m if isinstance(m, Diverged) else as_network(cell, m[0], kind, m[1]) for m in made]
