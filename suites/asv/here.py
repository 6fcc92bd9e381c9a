"""The kernels of the working tree by pytest-benchmark, against the last saved run: `make bench-here`.

    python suites/asv/here.py [words of pytest: -k forward, --benchmark-compare-fail=median:10%]

Runs are saved in `.benchmarks/`. The figures are of this machine as it is now; `jslds-bench perf compare`
tells whether a difference is one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]


def pytest_generate_tests(metafunc: Any) -> None:
    import problems

    metafunc.parametrize("what", list(problems.TIMED))


def test_kernel(benchmark: Any, what: str) -> None:
    import problems

    call = problems.TIMED[what]()
    benchmark.pedantic(call, rounds=3 if problems.TINY else 20, warmup_rounds=3)


def main(words: list[str], storage: Path = ROOT / ".benchmarks") -> int:
    """pytest on this file; what it saves in `storage` is numbered on."""
    sys.path[:0] = [str(ROOT), str(FOLDER)]
    options = [
        *("--benchmark-only", "--benchmark-autosave", "--benchmark-columns=median,iqr,rounds"),
        *("--benchmark-group-by=name", f"--benchmark-storage=file://{storage}"),
        *(["--benchmark-compare"] if list(storage.glob("*/*.json")) else []),
    ]
    return int(pytest.main([str(Path(__file__)), "--timeout=0", f"--rootdir={ROOT}", *options, *words]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
