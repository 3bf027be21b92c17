"""Which guards of the state's Lua scripts does no test need? `python -m tests.mutations.lua`

Takes every `if` that may return out of a copy of the scripts, one at a time, and runs the contract suite on the copy.
Ends with 1 if the suite is green without some guard.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SUITE = "tests/contract/state"
TREE = ("dualtrack", "service", "tests", "pyproject.toml")
# comments and strings first, so that no word in them is taken for a keyword
TOKEN = re.compile(r"--[^\n]*|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|\b(?P<word>if|do|function|return|end)\b")


def guards(text: str) -> Iterator[tuple[int, int]]:
    """Where every `if … end` that holds a `return` starts and ends."""
    blocks: list[tuple[str, int, bool]] = []
    for token in TOKEN.finditer(text):
        match token["word"]:
            case "if" | "do" | "function" as word:
                blocks.append((word, token.start(), False))
            case "return":
                blocks = [(word, start, True) for word, start, _ in blocks]
            case "end":
                word, start, returns = blocks.pop()
                if word == "if" and returns:
                    yield start, token.end()


def run(root: Path) -> tuple[bool, str]:
    """Whether the suite is green on the tree at `root`, and the first test that failed."""
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", SUITE]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode not in {0, 1}:  # neither green nor red: the suite itself did not run
        raise SystemExit(ended.stdout + ended.stderr)
    failed = re.search(r"^(?:FAILED|ERROR) (?:\S+/)?(\S+)", ended.stdout, re.MULTILINE)
    return ended.returncode == 0, failed[1] if failed else ""


def main() -> int:
    here, survivors = Path(__file__).parents[2], 0
    with tempfile.TemporaryDirectory(prefix="dualtrack-mutations-") as folder:
        root = Path(folder)
        for name in TREE:
            source = here / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)
        if not run(root)[0]:
            raise SystemExit("the suite is red on the scripts as they are")
        for path in sorted((root / "service").rglob("*.lua")):
            text = path.read_text()
            for start, end in sorted(guards(text)):
                path.write_text(text[:start] + text[end:])
                green, failed = run(root)
                survivors += green
                line, guard = text.count("\n", 0, start) + 1, text[start:end].splitlines()[0]
                print(f"{'SURVIVED' if green else 'red':9}{path.name}:{line} {guard:.90}  {failed}", flush=True)
            path.write_text(text)
    print(f"{survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
