"""LFADS and LFADS-JSLDS: sequential auto-encoders of spikes whose generator is a cell, or the co-trained pair."""
