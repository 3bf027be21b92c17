"""Parameters of a run, their names in requests, and the parameters of a job."""
