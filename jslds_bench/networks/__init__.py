"""Where networks come from: one file and one import line each."""

from jslds_bench.networks import checkpoint, cotrained, standard

__all__ = ["checkpoint", "cotrained", "standard"]
