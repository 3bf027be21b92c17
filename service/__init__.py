"""The service: API, worker, command line, and the pipeline that they share."""
