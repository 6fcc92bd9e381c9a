"""Where the parts of a run are done, when not by workers of this process: one file each."""
