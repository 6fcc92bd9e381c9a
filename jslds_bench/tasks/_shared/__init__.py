"""What several tasks share; no entries."""
