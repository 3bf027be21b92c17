"""File formats of results; conversions are pure functions."""
