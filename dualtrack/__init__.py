"""The public package of dualtrack and its lowest layer: it imports nothing of `service`."""
