"""From typed words to checked values. Imports no torch."""
