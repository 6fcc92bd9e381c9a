"""Spikes."""
