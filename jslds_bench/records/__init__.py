"""Records: what became of each job, on disk, with where it came from."""
