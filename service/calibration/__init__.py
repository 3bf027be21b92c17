"""Class calibration and the choice of seeds: pure arithmetic."""
