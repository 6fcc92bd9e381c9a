"""Whether times and rates of two sides can be compared at all."""

from __future__ import annotations

import math

from jslds_bench.compare.sides import MACHINE, Side
from jslds_bench.compare.tolerance import SPEED
from jslds_bench.records.numbers import number


def speeds_refused(a: Side, b: Side) -> str:
    """Why times and rates of the two cannot be compared, or nothing."""
    for side in (a, b):
        if side.kind == "published":
            return "published values are of another machine"
        if not side.machines or any(not fields.get("cpu") for fields in side.machines.values()):
            return f"{side.name} does not say which machine it ran on"
        if len(side.machines) > 1:
            return f"{side.name} was measured on {len(side.machines)} machines"
    if a.machines.keys() != b.machines.keys():
        one, other = next(iter(a.machines.values())), next(iter(b.machines.values()))
        differing = [
            f"{k} {one.get(k)} against {other.get(k)}" for k in MACHINE if one.get(k) != other.get(k)
        ]
        return f"the machines differ ({', '.join(differing)})"
    if a.gemm and b.gemm and abs(math.log(b.gemm / a.gemm)) > math.log1p(SPEED.relative):
        rates = " against ".join(number(rate / 1e9) for rate in (a.gemm, b.gemm))
        return f"the machine itself was not equally fast ({rates} GFLOP/s in float32 products)"
    return ""
