"""The result of a job, schema 1: its values, its file on disk, its JSON document."""
