"""Markdown tables."""

import html
import re
from collections.abc import Iterable, Sequence

CODE = re.compile(r"`([^`]+)`")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars and line breaks within cells are kept from breaking it."""
    lines = [_line(columns), "|" + "---|" * len(columns), *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(" ".join(cell.split())) for cell in cells) + " |"


def _cell(text: str) -> str:
    # Markdown shows the backslash of an escaped bar within code
    return CODE.sub(_code, text).replace("|", "\\|")


def _code(match: re.Match[str]) -> str:
    if "|" not in match[1]:
        return match[0]
    return f"<code>{html.escape(match[1]).replace('|', '&#124;')}</code>"
