"""What a network learns, and by which numbers that is measured."""
