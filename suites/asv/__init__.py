"""Benchmarks for airspeed velocity (asv): `make perf`. Its files share `problems.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
