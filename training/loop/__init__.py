"""Training with a time budget: loop, schedule, precision, moving average."""
