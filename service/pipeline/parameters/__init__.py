"""Parameters: of a run, by the names that requests use, and of a job."""
