"""Prometheus series: of the API itself, and what all workers have counted."""
