"""Clients of a service: submit a video, follow its job, read the result."""
