"""Removes a release other than the current one from a model repository."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from dualtrack.errors import Conflict, NotFound
from service.inference.repository.manifest import (
    Manifest,
    earlier_manifest,
    earlier_releases,
    load_manifest,
)
from service.inference.repository.triton_parameters import (
    earlier_release_parameter,
    release_parameter,
    sha256_parameter,
)
from service.inference.repository.verification import stray_folders


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed.

    Attributes:
        number: of the release.
        release: its name; None if no manifest has the number.
        graphs: names of the graphs whose files were removed.
        freed: number of bytes.
    """

    number: int
    release: str | None
    graphs: tuple[str, ...]
    freed: int


def remove_release(path: Path, which: str) -> Removed:
    """Remove an earlier release, or version folders without a manifest.

    The manifest is removed first, so that no process starts using the release while its files are being deleted.

    Args:
        path: the repository.
        which: the release's name or number.

    Raises:
        ConfigurationError: a manifest can't be read.
        NotFound: the release does not exist.
        Conflict: it is in use, or several releases have this name.
    """
    current, earlier = load_manifest(path), earlier_releases(path)
    if which == str(current.number):
        raise Conflict(f"models: {which} is the release in use ({current.release}); publish another one first")
    number, name = _identify(current, earlier, which, path)
    (path / earlier_manifest(number)).unlink(missing_ok=True)
    graphs = sorted({graph for release in (current, *earlier) for graph in release.graphs})
    gone = [graph for graph in graphs if (path / graph / str(number)).is_dir()]
    freed = 0
    for graph in gone:
        folder = path / graph / str(number)
        freed += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder)
    for graph in graphs:
        _forget(path / graph / "config.pbtxt", number)
    return Removed(number, name, tuple(gone), freed)


def _identify(current: Manifest, earlier: list[Manifest], which: str, path: Path) -> tuple[int, str | None]:
    by_number = [release for release in earlier if str(release.number) == which]
    found = by_number or [manifest for manifest in earlier if manifest.release == which]
    if len(found) == 1:
        return found[0].number, found[0].release
    if found:
        numbers = ", ".join(str(release.number) for release in found)
        raise Conflict(f"models: several releases are named {which}; expected one of their numbers: {numbers}")
    if current.release == which:
        raise Conflict(f"models: {which} is the release in use; publish another one first")
    if any(folder.name == which for folder in stray_folders(path, [current, *earlier])):
        return int(which), None
    there = ", ".join(f"{manifest.number} ({manifest.release})" for manifest in earlier) or "none"
    raise NotFound(f"models: expected an earlier release of {path} ({there}), got {which}")


def _forget(config: Path, number: int) -> None:
    """Remove a release from config.pbtxt, in which each parameter has a line of its own."""
    if not config.is_file():
        return
    named = (release_parameter, earlier_release_parameter, sha256_parameter)
    keys = [f'"{key(number)}"' for key in named]
    lines = config.read_text().splitlines(keepends=True)
    part = config.with_name(config.name + ".part")
    part.write_text("".join(line for line in lines if not any(key in line for key in keys)))
    part.replace(config)
