"""What runs of a video leave for later ones: the stage cache, its keys, its bytes, checkpoints."""
