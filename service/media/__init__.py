"""Video files: probed, decoded and drawn on in child processes."""
