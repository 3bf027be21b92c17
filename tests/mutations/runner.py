"""Shows that named tests fail when the code is wrong: applies one mutation at a time to a copy of the tree.

A table is a TOML file of `[[mutation]]` entries with the keys of `Mutation`. The copy is made once, from the files that
git tracks or would track; every test is run there without a mutation first, because a test that is red anyway proves
nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PASSED, FAILED = 0, 1
"""Exit codes of pytest; the others say that it could not run the test."""


class TableError(Exception):
    """The table does not fit the tree, or a test can't be run."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One wrong change.

    Attributes:
        name: what is wrong then.
        file: glob from the root that fits one file; `**` lets the entry survive a move of the file.
        old: text that the file has exactly once.
        new: what replaces it.
        test: node id of the test that must fail; its file may be a glob, too.
    """

    name: str
    file: str
    old: str
    new: str
    test: str

    def path(self, root: Path) -> Path:
        """The file under `root`."""
        return _only(root, self.file, self.name)

    def node(self, root: Path) -> str:
        """The test's node id under `root`."""
        file, separator, rest = self.test.partition("::")
        return f"{_only(root, file, self.name).relative_to(root)}{separator}{rest}"

    def applied(self, root: Path) -> str:
        """The file's text with the mutation."""
        text = self.path(root).read_text()
        if (count := text.count(self.old)) != 1:
            raise TableError(f"{self.name}: expected the old text once in {self.path(root)}, found it {count} times")
        return text.replace(self.old, self.new)


def _only(root: Path, pattern: str, name: str) -> Path:
    found = sorted(root.glob(pattern))
    if len(found) != 1:
        raise TableError(f"{name}: expected one file for {pattern}, found {[str(path) for path in found]}")
    return found[0]


def load(table: Path) -> list[Mutation]:
    """The mutations of a table, each name once."""
    mutations = [Mutation(**each) for each in tomllib.loads(table.read_text())["mutation"]]
    names = [each.name for each in mutations]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TableError(f"{table}: more than one mutation is called {sorted(twice)}")
    return mutations


def main(tables: Sequence[Path], arguments: Sequence[str] | None = None) -> int:
    """Run the mutations of some tables on a copy of the tree; the exit code of `run`."""
    parser = argparse.ArgumentParser(description="Apply mutations one by one and run the tests that must see them.")
    parser.add_argument("words", nargs="*", help="only mutations whose name contains one of these")
    words = parser.parse_args(arguments).words
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        listed = [each for table in tables for each in load(table)]
        chosen = [each for each in listed if not words or any(word in each.name for word in words)]
        return run(chosen, _copied(Path(folder)))


def run(mutations: Sequence[Mutation], root: Path) -> int:
    """Apply each to the tree at `root`, which is put back; 0: all killed, 1: one survived, 2: one can't be tried."""
    try:
        survivors = _survivors(mutations, root)
    except TableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(mutations)} mutations, {len(survivors)} survived")
    return 1 if survivors else 0


def _copied(root: Path) -> Path:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    return root


def _survivors(mutations: Sequence[Mutation], root: Path) -> list[Mutation]:
    # all entries are checked before the first run, which takes seconds
    changed = [each.applied(root) for each in mutations]
    nodes = sorted({each.node(root) for each in mutations})
    if nodes and (code := _pytest(nodes, root)) != PASSED:
        raise TableError(f"without a mutation pytest ends with {code} on {' '.join(nodes)}")
    survivors = []
    for each, text in zip(mutations, changed):
        path = each.path(root)
        kept = path.read_text()
        path.write_text(text)
        code = _pytest([each.node(root)], root)
        path.write_text(kept)
        if code not in {PASSED, FAILED}:
            raise TableError(f"{each.name}: pytest ends with {code} on {each.test}")
        print(f"{'killed  ' if code == FAILED else 'SURVIVED'} {each.name} ({each.test})", flush=True)
        survivors += [each] if code == PASSED else []
    return survivors


def _pytest(nodes: Sequence[str], root: Path) -> int:
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        # no byte code: a file of the same size within the same second would not be read anew
        "PYTHONDONTWRITEBYTECODE": "1",
        # of the plugins only those that the tests of the tables need: some take a second to import
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    plugins = ["-ppytest_timeout", "-pvalkeylite.pytest_plugin", "-pno:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-x", *plugins, *nodes]
    done = subprocess.run(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode not in {PASSED, FAILED} or (done.returncode == FAILED and len(nodes) > 1):
        print(done.stdout, file=sys.stderr)
    return done.returncode
