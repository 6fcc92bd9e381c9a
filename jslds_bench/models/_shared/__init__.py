"""What several model entries are made of; no entries."""
