"""service.tracking."""
