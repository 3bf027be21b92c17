"""service.pipeline."""
