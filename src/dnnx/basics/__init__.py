"""What everything may import, and what imports nothing of dnnx: errors, the console, random streams."""
