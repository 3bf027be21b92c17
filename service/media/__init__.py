"""service.media."""
