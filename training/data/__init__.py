"""Pictures and sequences to train on, and their batches."""
