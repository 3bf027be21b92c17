"""The dual tracker and the processing of its tubelets: pure functions."""
