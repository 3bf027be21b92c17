"""The result of a job, schema 1: values, stored file and JSON document."""
