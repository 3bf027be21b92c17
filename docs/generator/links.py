"""Links between files of the repository, as links between pages of the site."""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docs.generator.pages import ALSO, BROUGHT_IN

FENCED = re.compile(r"^( *)(```|~~~).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:|#|/")


@dataclass(frozen=True)
class Site:
    """What a link can lead to.

    Attributes:
        root: of the repository.
        uris: of all files of the site, relative to its root.
    """

    root: Path
    uris: frozenset[str]

    def page_of(self, path: str) -> str | None:
        """Where the site has the file or folder `path` of the repository."""
        known = {origin: uri for uri, origin in BROUGHT_IN.items()} | dict(ALSO)
        inside = path.removeprefix("docs/")
        candidates = [known.get(path), known.get(f"{path}/README.md")]
        if path.startswith("docs/"):
            candidates += [inside, f"{inside}/index.md", f"{inside}/README.md"]
        return next((uri for uri in candidates if uri in self.uris), None)


def rewritten(markdown: str, uri: str, site: Site) -> str:
    """The text of the page at `uri`, its links into the repository turned into links within the site.

    A link to a file that is no page, such as source code, becomes the path as code.

    Raises:
        LookupError: a link leads nowhere.
    """
    origin = BROUGHT_IN.get(uri, f"docs/{uri}")

    def replace(match: re.Match[str]) -> str:
        mark, text, target = match.groups()
        if ABSOLUTE.match(target):
            return match[0]
        path, hash_sign, fragment = target.partition("#")
        in_repository = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(uri), path))
        page = site.page_of(in_repository) or (beside if beside in site.uris else None)
        if page is not None:
            relative = posixpath.relpath(page, posixpath.dirname(uri) or ".")
            return f"{mark}[{text}]({relative}{hash_sign}{fragment})"
        if (site.root / in_repository).exists():
            return _as_code(text, in_repository)
        raise LookupError(f"the link {target} leads nowhere: {in_repository} does not exist")

    return outside_fences(markdown, lambda text: LINK.sub(replace, text))


def outside_fences(markdown: str, change: Callable[[str], str]) -> str:
    """The text with `change` applied to all but its fenced blocks."""
    parts, end = [], 0
    for fence in FENCED.finditer(markdown):
        parts += [change(markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(markdown[end:])])


def _as_code(text: str, path: str) -> str:
    return f"`{path}`" if text.strip("`") in path else f"{text} (`{path}`)"
