"""Exports trained weights to a model repository."""
