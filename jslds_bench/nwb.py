"""Reads spike trains, trials and hand velocity from NWB files that the user names."""
