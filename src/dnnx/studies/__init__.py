"""Studies: the plan of a study's jobs, the loop over them, the pool of workers, and the report."""
