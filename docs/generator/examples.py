"""The programs in `examples/`, for the page about them: the site has no files of the repository to link to."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "examples"
PAGE = "how-to/examples.md"


def programs() -> list[Path]:
    """All of them, by name."""
    return sorted(FOLDER.glob("[a-z]*.py"))


def markdown() -> str:
    """The source of every program."""
    return "\n".join(f"## {path.name}\n```python\n{path.read_text()}```\n" for path in programs())
