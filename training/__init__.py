"""Programs that train the bundled models."""
