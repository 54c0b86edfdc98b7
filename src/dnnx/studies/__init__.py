"""Studies: which runs a question needs, and how they are made."""
