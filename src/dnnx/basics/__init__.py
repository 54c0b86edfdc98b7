"""Basics that every package may import and that import nothing of dnnx: errors, the console, random streams."""
