"""Names of categories, as they are compared."""


def plain_name(name: str) -> str:
    """A name as it is compared: data sets differ in case, and in `_` for a blank."""
    return name.strip().lower().replace("_", " ")
