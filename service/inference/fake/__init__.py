"""Networks without weights that understand plain rectangles: for tests."""
