"""Techniques that a study can switch on, one file each."""
