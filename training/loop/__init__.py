"""Training by the clock: the loop, its schedule, precision, averages."""
