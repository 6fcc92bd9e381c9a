"""How many local systems models used, by how far apart two must be to count as two.

``python reports/apart.py RUN FILE`` reads the records of a finished run and writes a row for each record and
distance: what docs/fairness.md quotes (``reports/reference/synthetic/by_apart.csv``).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from jslds_bench.records.store import read_records


def main(run: Path, file: Path) -> int:
    """Writes the table; 1 where no record has the numbers."""
    rows = [
        {
            **dict(zip(("task", "network", "model", "seed"), record.key, strict=True)),
            "apart": apart,
            "n_systems_effective": n,
        }
        for record in read_records(run)
        for apart, n in zip(
            record.series.get("systems_apart", ()),
            record.series.get("n_systems_effective_by_apart", ()),
            strict=True,
        )
    ]
    pd.DataFrame(rows).to_csv(file, index=False)
    return int(not rows)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
