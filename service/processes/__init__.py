"""Process management: start, restart, end with the parent, liveness."""
