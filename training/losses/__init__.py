"""Losses of the detector and the trackers."""
