"""The model repository: what its manifest says, checked, and what may leave it."""
