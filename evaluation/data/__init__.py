"""Annotated videos, their strata, and what is kept of them between runs."""
