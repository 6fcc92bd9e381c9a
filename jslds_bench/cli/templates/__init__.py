"""The files that ``jslds-bench new`` writes, with `my_entry` for a name. Nothing imports them."""
