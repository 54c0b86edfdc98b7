"""Callbacks of a training: early stopping, checkpoints, records, progress."""
