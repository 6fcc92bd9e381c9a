"""``python -m jslds_bench`` is the command line."""

import sys

from jslds_bench.cli import main

sys.exit(main())
