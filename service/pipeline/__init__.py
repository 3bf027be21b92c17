"""One video from file to result; `run.py` is the spine."""
