"""Layers around the application, outermost first: `forwarded`, `origins`, CORS, `compression`, `head`."""
