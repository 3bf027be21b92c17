"""The client of a Triton server."""
