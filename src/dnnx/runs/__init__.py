"""Run folders: files, tensors, locks, provenance, and how they are read back."""
