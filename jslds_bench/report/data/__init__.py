"""A run as the report reads it: records, arrays, summaries."""
