"""What happens beside training: early stopping, checkpoints, records, progress."""
