"""The paper's claims, one by one: what was claimed, what runs find, whether it holds; from records alone."""

from jslds_bench.reproduce.claims import Claim, read_claims
from jslds_bench.reproduce.page import write_scorecard
from jslds_bench.reproduce.verdicts import Judged, judge

__all__ = ["Claim", "Judged", "judge", "read_claims", "write_scorecard"]
