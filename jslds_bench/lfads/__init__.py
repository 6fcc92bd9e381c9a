"""LFADS and LFADS-JSLDS: sequential auto-encoders of spikes; the generator is a cell, or a co-trained pair."""
