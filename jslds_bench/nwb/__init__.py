"""Spike trains and hand velocity out of NWB files that the user names, cut into trials."""

from jslds_bench.nwb.reading import Session, read_session
from jslds_bench.nwb.windows import Cut, Window, cut, window

__all__ = ["Cut", "Session", "Window", "cut", "read_session", "window"]
