"""service.api.routes."""
