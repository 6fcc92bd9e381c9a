"""Where networks come from: one file and one import line each."""

from jslds_bench.networks import analytic, checkpoint, cotrained, standard

__all__ = ["analytic", "checkpoint", "cotrained", "standard"]
