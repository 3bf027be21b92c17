"""What the bench measures: one file per group of rows, and the children that they start."""
