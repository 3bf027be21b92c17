"""Comparison of category names."""


def plain_name(name: str) -> str:
    """A name normalized for comparison: datasets differ in case and use `_` or spaces."""
    return name.strip().lower().replace("_", " ")
