"""What a Google docstring says of each attribute."""

import inspect
import re

ENTRY = re.compile(r"(?P<names>\w+(?:, \w+)*): ")


def attributes(kind: type) -> dict[str, str]:
    """The descriptions under `Attributes:`, by name; several names may share one."""
    _, _, section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if not line.startswith("    "):
            break
        text = line[4:]
        if match := ENTRY.match(text):
            names, text = match["names"].split(", "), text[match.end() :]
            found |= dict.fromkeys(names, text)
        else:
            found |= {name: f"{found[name]} {text.strip()}" for name in names}
    return found
