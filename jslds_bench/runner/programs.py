"""What one worker of a run has compiled the others read, where that is proven to change nothing; and no
worker keeps more programs than it can.

The folder lives as long as the run: no program of another machine, version or run is ever met, and times are
those of a run that started with nothing.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from jslds_bench.dynamics.compiled import compiler_options

LEAST_SECONDS = 0.2
"""Programs that compile faster are not worth a file."""
MOST_MAPPINGS = 0.25
"""Of the memory mappings that Linux allows a process (65,530 as a rule), the share that programs may take.

Every compiled program holds eight or more for as long as JAX keeps it, and the compiler that is refused one
ends the process with a segmentation fault. A quarter came to 1.9 GB of memory with programs in 32 pieces, and
to 2.0 to 2.4 GB in one piece; the most that a worker of `synthetic` held at any time was 2.9 GB.
"""
SHED_AFTER = 1.0
_looked = -SHED_AFTER  # when `shed` last did
_HIT = "/jax/compilation_cache/cache_hits"
_hits = 0


def _listen(event: str, **_: object) -> None:
    global _hits
    _hits += event == _HIT


jax.monitoring.register_event_listener(_listen)


def programs_read() -> int:
    """How many programs this process has read in place of compiling them."""
    return _hits


def share(folder: str) -> bool:
    """Has JAX keep compiled programs in `folder`; whether one read back did the same to the last bit.

    If it did not, or none could be read (jax-ml/jax#38445 has that of processors with AVX-512), or on other
    devices, where it is untried, all is compiled as before.
    """
    if jax.default_backend() != "cpu":
        return False
    # An entry that cannot be read, or is not yet whole, is compiled: no need to tell.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    compilation_cache.reset_cache()
    made, before = _probe(), programs_read()
    read = _probe()
    if programs_read() == before or made.tobytes() != read.tobytes():
        jax.config.update("jax_compilation_cache_dir", None)
        compilation_cache.reset_cache()
        return False
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
    return True


def shed() -> bool:
    """Has JAX forget what is compiled, where that has come near to what the system allows; whether it did.

    It looks once in `SHED_AFTER` seconds: that takes as long as a small job's figures.
    """
    global _looked
    if time.monotonic() - _looked < SHED_AFTER:
        return False
    _looked = time.monotonic()
    try:
        allowed = int(Path("/proc/sys/vm/max_map_count").read_text())
        held = Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:  # not Linux: no such limit is known
        return False
    if held <= MOST_MAPPINGS * allowed:
        return False
    jax.clear_caches()
    return True


def _probe() -> np.ndarray:
    """A small program of products, a loop, a gather and a factor, compiled or read anew and run."""

    def program(x: jax.Array) -> jax.Array:
        _, steps = jax.lax.scan(lambda h, row: (jnp.tanh(h @ x + row), h[jnp.argsort(row)]), x[0], x)
        return jnp.linalg.cholesky(steps @ steps.T + jnp.eye(len(x)))

    jax.clear_caches()
    x = jnp.sin(jnp.arange(576.0)).reshape(24, 24)
    return np.stack([jax.jit(program, compiler_options=compiler_options(q))(x) for q in (False, True)])
