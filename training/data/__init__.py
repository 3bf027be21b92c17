"""Training images and sequences, and their batches."""
