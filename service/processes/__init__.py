"""Processes of this program: start, restart, end with the parent, liveness."""
