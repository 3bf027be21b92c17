"""Fake networks without weights, which track plain rectangles, for tests."""
