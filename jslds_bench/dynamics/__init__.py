"""The numerical core: pure functions of arrays. Nothing here reads, writes, prints or keeps state."""
