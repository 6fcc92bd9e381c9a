"""The benchmark's tasks: one file and one import line each."""

from jslds_bench.tasks import context_integration, known_switching, lorenz, nascar, nbit_memory

__all__ = ["context_integration", "known_switching", "lorenz", "nascar", "nbit_memory"]
