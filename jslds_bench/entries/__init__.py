"""Entries: what is registered, where it comes from, and the code that it holds."""
