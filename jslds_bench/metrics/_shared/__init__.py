"""What several metrics are made of; no entries."""
