"""jslds-bench: a benchmark of methods that explain recurrent networks by local linear dynamics."""

__version__ = "0.1.0"
