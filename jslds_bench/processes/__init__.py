"""Processes of ours: begun and ended with all that they start, heard as JSON lines, on cores of their own."""
