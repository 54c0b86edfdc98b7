"""Readers: from the files of a user to examples, as the files of the training data were read."""
