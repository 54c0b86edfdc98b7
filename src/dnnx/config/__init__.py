"""From what is typed to checked values. Imports no torch."""
