"""Writes a made-up run of some 10,000 records: ``python tests/report/large_run.py FOLDER``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from conftest import example_arrays, make_record, write_meta

from jslds_bench.records import store

N_MODELS, N_SEEDS = 30, 84


def write_large_run(run: Path, n_models: int = N_MODELS, n_seeds: int = N_SEEDS) -> int:
    """Two tasks × two networks × models × seeds; the first seeds have arrays. Returns the count."""
    os.fsync = lambda handle: None  # most of the time of writing many small files
    write_meta(run)
    count = 0
    for task in ("nbit_memory", "context_integration"):
        for network in ("standard", "cotrained"):
            for i in range(n_models):
                for seed in range(n_seeds):
                    label = f"model_{i:02d}"
                    names = (task, network, label)
                    record = make_record(*names, seed, entries=names, level=0.01 * (i + 1))
                    drawn = example_arrays(task, 0.01 * i, seed) if seed == 0 else {}
                    store.write_record(run, record, drawn)
                    count += 1
    return count


if __name__ == "__main__":
    print(write_large_run(Path(sys.argv[1])), "records")
