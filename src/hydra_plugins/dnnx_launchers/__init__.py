"""Launchers: the jobs of a study or a sweep on a Slurm cluster or on Ray."""
