"""service.structures."""
