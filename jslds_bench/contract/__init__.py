"""What every entry must keep, said in words: `check` runs it on one entry, the tests on all of them.

It finds mistakes and careless cheating. It is no sandbox: a plug-in is code that its user trusts to run.
"""

from jslds_bench.contract.checking import Outcome, check
from jslds_bench.contract.words import Finding

__all__ = ["Finding", "Outcome", "check"]
