"""The dual tracker and what is done with its tubelets: pure arithmetic."""
