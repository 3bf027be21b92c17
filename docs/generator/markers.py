"""`<!-- generated: NAME -->` in a page of `docs/` is replaced by what the code says when the site is built."""

import re
from collections.abc import Callable, Mapping

from docs.generator import commands, detector, errors, http_api, result_schema, settings

MARKER = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)
GENERATED: Mapping[str, Callable[[], str]] = {
    "commands": commands.markdown,
    "detector-description": detector.markdown,
    "error-codes": errors.markdown,
    "http-api": http_api.markdown,
    "result-schema": result_schema.markdown,
    "settings": settings.markdown,
}


def filled(markdown: str) -> str:
    """The text with every marker replaced.

    Raises:
        LookupError: nothing is generated under that name.
    """

    def replace(match: re.Match[str]) -> str:
        if match[1] not in GENERATED:
            raise LookupError(f"expected a marker that names one of {', '.join(GENERATED)}; got {match[1]}")
        return GENERATED[match[1]]().rstrip()

    return MARKER.sub(replace, markdown)
