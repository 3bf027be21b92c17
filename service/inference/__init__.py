"""service.inference."""
