"""What trained networks are worth, and what they cost."""
