"""What several task entries are made of; no entries."""
