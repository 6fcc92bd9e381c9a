"""The benchmark's tasks: one file and one import line each."""

from jslds_bench.tasks import context_integration, nbit_memory, perturbations

__all__ = ["context_integration", "nbit_memory", "perturbations"]
