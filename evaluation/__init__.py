"""Measuring methods, trackers and detectors on annotated data, and what a video costs."""
