"""An edition that is not the current one leaves a model repository."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from dualtrack.errors import Conflict, NotFound
from service.inference.repository.manifest import (
    Manifest,
    earlier_editions,
    earlier_manifest,
    load_manifest,
    sha256_parameter,
    version_parameter,
)
from service.inference.repository.verification import stray_folders


@dataclass(frozen=True, slots=True)
class Removed:
    """What is gone.

    Attributes:
        number: of the edition.
        version: of its weights; None if no manifest had the number.
        graphs: names of those that had files.
        freed: bytes.
    """

    number: int
    version: str | None
    graphs: tuple[str, ...]
    freed: int


def remove_edition(path: Path, which: str) -> Removed:
    """Remove an earlier edition, or version folders that no manifest names.

    The manifest goes first: nobody takes the edition up while its files vanish.

    Args:
        path: the repository.
        which: the edition's number, or the version of its weights.

    Raises:
        ConfigurationError: a manifest can't be read.
        NotFound: there is no such edition.
        Conflict: it is the one in use, or several have this version.
    """
    current, earlier = load_manifest(path), earlier_editions(path)
    if which == str(current.number):
        raise Conflict(f"models: {which} is the edition in use (version {current.version}); publish another one first")
    number, version = _identify(current, earlier, which, path)
    (path / earlier_manifest(number)).unlink(missing_ok=True)
    graphs = sorted({graph for edition in (current, *earlier) for graph in edition.graphs})
    gone = [graph for graph in graphs if (path / graph / str(number)).is_dir()]
    freed = 0
    for graph in gone:
        folder = path / graph / str(number)
        freed += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder)
    for graph in graphs:
        _forget(path / graph / "config.pbtxt", number)
    return Removed(number, version, tuple(gone), freed)


def _identify(current: Manifest, earlier: list[Manifest], which: str, path: Path) -> tuple[int, str | None]:
    by_number = [edition for edition in earlier if str(edition.number) == which]
    found = by_number or [edition for edition in earlier if edition.version == which]
    if len(found) == 1:
        return found[0].number, found[0].version
    if found:
        numbers = ", ".join(str(edition.number) for edition in found)
        raise Conflict(f"models: several editions have the version {which}; say which by its number: {numbers}")
    if current.version == which:
        raise Conflict(f"models: {which} is the version in use; publish another one first")
    if any(folder.name == which for folder in stray_folders(path, [current, *earlier])):
        return int(which), None
    there = ", ".join(f"{edition.number} ({edition.version})" for edition in earlier) or "none"
    raise NotFound(f"models: expected an earlier edition of {path}, that is {there}; got {which}")


def _forget(config: Path, number: int) -> None:
    """Drop what config.pbtxt says of a version; each parameter stands on a line of its own."""
    if not config.is_file():
        return
    keys = [f'"{key}"' for key in (version_parameter(number), sha256_parameter(number))]
    lines = config.read_text().splitlines(keepends=True)
    part = config.with_name(config.name + ".part")
    part.write_text("".join(line for line in lines if not any(key in line for key in keys)))
    part.replace(config)
