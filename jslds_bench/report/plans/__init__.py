"""Which figures a run has, and why it lacks others."""
