"""The shared features of frames: computed in batches, stored in half precision, in memory and on disk."""
