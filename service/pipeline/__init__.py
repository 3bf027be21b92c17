"""Processes one video, from file to result; start reading at `run.py`."""
