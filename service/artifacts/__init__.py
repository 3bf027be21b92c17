"""Artifacts derived from a finished result: the overlay."""
