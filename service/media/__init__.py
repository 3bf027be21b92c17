"""Probes, decodes and renders video files in child processes."""
