"""What cells rest on besides their stages; no entries."""
