"""Docstrings of the public package, as mkdocstrings reads them (`extensions` in mkdocs.yml)."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)
SECTION = re.compile(r"^( *)(?:Args|Attributes|Raises):\n((?:\1 +.+\n?|\n)+)", re.MULTILINE)
SHARED = re.compile(r"^( +)(\w+(?:, \w+)+): (.+(?:\n\1 +.+)*)", re.MULTILINE)


class Examples(griffe.Extension):
    """Rewrites what griffe reads in another way.

    `Example:` becomes the section that griffe calls `Examples:`, so its lines are shown as code. Names that share a
    description (`width, height: pixels`) get one each.
    """

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for everything that it finds."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(r"\1Examples:", one_name_each(obj.docstring.value))


def one_name_each(docstring: str) -> str:
    """The docstring with one entry per name in its sections."""
    return SECTION.sub(lambda section: SHARED.sub(_apart, section[0]), docstring)


def _apart(entry: re.Match[str]) -> str:
    indent, names, text = entry.groups()
    return "\n".join(f"{indent}{name}: {text}" for name in names.split(", "))
