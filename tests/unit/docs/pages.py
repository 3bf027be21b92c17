"""The pages that describe the present, and the code in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
HISTORY = ("docs/decisions/", "docs/experiments/", "CHANGELOG.md")
"""What was, in the words of its time."""
FENCE = re.compile(r"^( *)```([a-z]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
OPERATORS = re.compile(r"&&|\|\||;|\||>|<|&|\$\(|\)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: after the fence.
        text: inside.
    """

    language: str
    text: str


def tracked(suffix: str) -> list[Path]:
    """Files of the repository outside environments and outputs."""
    trees = (
        "docs",
        "examples",
        "evaluation",
        "training",
        "docker",
        "deploy",
        "model_repository",
        "requirements",
        "tests",
    )
    found = [*ROOT.glob(f"*{suffix}"), *(path for tree in trees for path in (ROOT / tree).rglob(f"*{suffix}"))]
    return sorted(found)


def pages() -> list[Path]:
    """All pages that describe the present."""
    return [path for path in tracked(".md") if not name_of(path).startswith(HISTORY)]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(text: str, *languages: str) -> list[Block]:
    """Its fenced blocks in these languages."""
    return [Block(match[2], match[3]) for match in FENCE.finditer(text) if match[2] in languages]


def inline(text: str) -> list[str]:
    """Its code outside of fenced blocks; bars are escaped in tables."""
    return [" ".join(code.replace("\\|", "|").split()) for code in INLINE.findall(FENCE.sub("", text))]


def shell_lines(text: str) -> Iterator[list[str]]:
    """The words of every simple command in its shell blocks, without assignments before it."""
    for block in blocks(text, "sh", "bash", "shell"):
        script = re.sub(r"<<'END'.*?\nEND\n", "\n", block.text, flags=re.DOTALL).replace("\\\n", " ")
        for line in script.splitlines():
            yield from commands_of(line)


def commands_of(line: str) -> Iterator[list[str]]:
    """The simple commands of a line of shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if OPERATORS.fullmatch(word) or not word.strip("();<>|&"):
            if command := without_assignments(words):
                yield command
            words = []
        else:
            words.append(word)


def without_assignments(words: list[str]) -> list[str]:
    rest = list(words)
    while rest and (re.match(r"\w+=", rest[0]) or rest[0] in {"export", "until", "do", "then", "while"}):
        rest.pop(0)
    return rest
