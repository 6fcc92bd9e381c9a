"""What several network entries are made of; no entries."""
