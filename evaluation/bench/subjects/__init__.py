"""The measurements: one module per group of rows, and the child processes they start."""
