"""Data that later runs of a video reuse: the stage cache with its keys and encoding, and checkpoints."""
