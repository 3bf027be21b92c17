"""Runs methods and trackers on annotated videos, for rows of a table or combinations of parameters."""
