"""Hot swap: adds a release of the models to a repository that is being served."""

import json
import shutil
from pathlib import Path

from dualtrack.errors import ConfigurationError
from export.repository.triton_config import write_own_configs
from service.inference.repository.manifest import (
    MANIFEST,
    SERVED_VERSIONS,
    earlier_manifest,
    load_manifest,
    load_releases,
    verify,
)


def publish(release: Path, served: Path) -> int:
    """Add the repository `release` to the repository `served` as its next version; returns the version number.

    Files are copied first, then the manifest, so a job that starts in between uses the old release. Configurations are
    last; the server then has to load them (by polling, or on a `load` request). Releases that are no longer served are
    removed.

    Raises:
        ConfigurationError: the two differ in more than the weights, or the release's name is already used.
    """
    new, releases = load_manifest(release), load_releases(served)
    verify(new)
    current = releases[0]
    for what in ("architecture", "dims", "classes", "file"):
        if getattr(new, what) != getattr(current, what):
            raise ConfigurationError(f"{release}: expected the {what} of {served}; others need a new deployment")
    if any(new.release == old.release and new.identity != old.identity for old in releases):
        raise ConfigurationError(f"{release}: {new.release} is already the name of other weights in {served}")
    number = max(old.number for old in releases) + 1
    for graph in new.graphs:
        _place(new.graph_path(graph), served / graph / str(number) / new.file)
        if (card := release / graph / "README.md").is_file():
            _place(card, served / graph / "README.md")
    document = json.loads((release / MANIFEST).read_text()) | {"number": number}
    _place(served / MANIFEST, served / earlier_manifest(current.number))
    _write(served / MANIFEST, json.dumps(document, indent=1) + "\n")
    for old in releases[SERVED_VERSIONS - 1 :]:
        (served / earlier_manifest(old.number)).unlink(missing_ok=True)
        for graph in old.graphs:
            shutil.rmtree(served / graph / str(old.number))
    write_own_configs(served)
    return number


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    shutil.copyfile(source, part)
    part.replace(target)


def _write(target: Path, text: str) -> None:
    part = target.with_name(target.name + ".part")
    part.write_text(text)
    part.replace(target)
