"""Programs for one-off studies: `python -m evaluation.studies.NAME`."""
