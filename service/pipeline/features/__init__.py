"""The shared features of frames: computed in batches, kept in half precision, in memory and on disk."""
