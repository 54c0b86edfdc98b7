"""Data: sources of bytes, splits, and batches for the networks."""
