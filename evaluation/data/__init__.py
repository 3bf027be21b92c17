"""Annotated videos, and data kept for them between runs."""
