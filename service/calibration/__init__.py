"""Class calibration and seed selection: pure functions."""
