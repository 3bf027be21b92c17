"""service.state."""
