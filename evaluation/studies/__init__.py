"""Programs that answered one question each: `python -m evaluation.studies.NAME`."""
