"""One video from file to result; `run.py` is the function to read first."""
