"""`dualtrack models list|show|verify|remove` on a copy of the bundled repository."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dualtrack.errors import ConfigurationError, Conflict, NotFound
from export.repository.publish import publish
from export.repository.triton_config import write_own_configs
from service.cli.main import build_app
from service.inference.repository.manifest import load_manifest, load_releases
from service.inference.repository.removal import remove_release
from service.inference.repository.verification import verify_repository
from tests.support.pipelines import REPOSITORY

GRAPHS = sorted(load_manifest(REPOSITORY).graphs)


def dualtrack(*words: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(build_app(["models"]), ["models", *map(str, words)])
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(REPOSITORY, tmp_path / "repository"))


@pytest.fixture
def served(repository: Path, tmp_path: Path) -> Path:
    """A repository with releases 2 (in use) and 1; the newer one has cards of its own."""
    release = Path(shutil.copytree(REPOSITORY, tmp_path / "release"))
    change(release / "manifest.json", lambda document: document.update(release="lite-4"))
    (release / "mask_rcnn" / "README.md").write_text("# the newer one")
    assert publish(release, repository) == 2
    return repository


def as_before(repository: Path) -> None:
    """What a repository had in manifest and configurations until releases got names of their own."""
    file = repository / "manifest.json"
    document = json.loads(file.read_text())
    for key in ("format", "architecture", "release"):
        del document[key]
    file.write_text(json.dumps({"preset": "lite", "version": "0.3.0", **document}))
    for config in repository.glob("*/config.pbtxt"):
        text = config.read_text().replace("dualtrack_release_", "dualtrack_version_").replace('"lite-3"', '"0.3.0"')
        config.write_text(text)


def change(file: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(file.read_text())
    edit(document)
    file.write_text(json.dumps(document))


def problems(repository: Path) -> list[str]:
    return [check.problem for check in verify_repository(repository) if check.problem]


@pytest.mark.parametrize("words", [["--json"], ["list", "--json"], ["list", "--repository", str(REPOSITORY), "--json"]])
def test_list(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUALTRACK_MODEL_REPOSITORY", str(REPOSITORY))
    document = json.loads(dualtrack(*words))
    assert sorted(document["graphs"]) == GRAPHS
    assert (document["number"], document["earlier"]) == (1, [])


def test_list_names_earlier_releases(served: Path) -> None:
    text = dualtrack("list", "--repository", served)
    assert "lite-4 (lite)" in text
    assert f"earlier release: {load_manifest(REPOSITORY).release} (number 1)" in text


def test_a_misplaced_option_is_not_swallowed() -> None:
    assert "expected --json after verify" in dualtrack("--json", "verify", exit_code=2)


def test_show_has_card_entry_and_tensors(served: Path) -> None:
    text = dualtrack("show", "mask_rcnn", "--repository", served)
    assert "# the newer one" in text
    assert load_manifest(served).graphs["mask_rcnn"] in text
    assert "- scores: float32 [B, 50, 101]" in text
    document = json.loads(dualtrack("show", "siamese_rpn", "--json", "--repository", served))
    assert document["entry"]["opset"] == 18
    assert {"name": "windows", "dtype": "float32", "shape": ["N", 4]} in document["inputs"]
    result = CliRunner().invoke(build_app(["models"]), ["models", "show", "colors"])
    assert isinstance(result.exception, NotFound)
    assert "expected one of mask_rcnn" in str(result.exception)


def test_verify_finds_a_whole_repository_whole(served: Path) -> None:
    checks = json.loads(dualtrack("verify", "--json", "--repository", served))
    assert [(check["number"], check["name"]) for check in checks if check["name"] in GRAPHS] == [
        (number, name) for number in (2, 1) for name in load_manifest(REPOSITORY).graphs
    ]
    assert not any(check["problem"] for check in checks)


def spoil_file(repository: Path) -> None:
    path = repository / "siamese_rpn" / "1" / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")


def drop_file(repository: Path) -> None:
    (repository / "siamese_rpn" / "1" / "model.onnx").unlink()


def swap_graphs(repository: Path) -> None:
    """Another graph under this name, with the right sha256 everywhere."""
    digest = load_manifest(repository).graphs["siamese_rpn_template"]
    change(repository / "manifest.json", lambda document: document["graphs"]["siamese_rpn"].update(sha256=digest))
    shutil.copy(repository / "siamese_rpn_template" / "1" / "model.onnx", repository / "siamese_rpn" / "1")
    write_own_configs(repository)


def other_dims(repository: Path) -> None:
    change(repository / "manifest.json", lambda document: document["dims"].update(template_channels=7))


def other_release(repository: Path) -> None:
    change(repository / "manifest.json", lambda document: document.update(release="lite-99"))


def fewer_classes(repository: Path) -> None:
    change(repository / "manifest.json", lambda document: document["classes"].pop())


def fewer_graphs(repository: Path) -> None:
    change(repository / "manifest.json", lambda document: document["graphs"].pop("siamese_rpn"))


def stray(repository: Path) -> None:
    (repository / "siamese_rpn" / "7").mkdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_file, "model siamese_rpn: expected sha256"),
        (drop_file, "model siamese_rpn: expected .*model.onnx, which does not exist"),
        (swap_graphs, r"model siamese_rpn: expected inputs .*'windows'.*, found .*'boxes'"),
        (other_dims, r"model siamese_rpn: tensor templates: expected float32\['N', 7, 7, 7\], found .*128"),
        (other_release, "expected dualtrack_release_1 'lite-99' .*config.pbtxt has 'lite-3'"),
        (fewer_classes, "manifest: expected 101 classes, found 100"),
        (fewer_graphs, "manifest: expected the graphs .*'siamese_rpn'"),
        (stray, "siamese_rpn/7: no manifest has this version number"),
    ],
)
def test_verify_names_what_is_wrong(spoil: Callable[[Path], None], message: str, repository: Path) -> None:
    spoil(repository)
    assert re.search(message, "\n".join(problems(repository)))
    dualtrack("verify", "--repository", repository, exit_code=6)


@pytest.mark.parametrize("which", ["1", load_manifest(REPOSITORY).release])
def test_remove_leaves_the_repository_as_if_it_had_never_been_there(which: str, served: Path) -> None:
    text = dualtrack("remove", which, "--repository", served)
    assert f"removed release {load_manifest(REPOSITORY).release} (number 1): mask_rcnn, pixel_embedding" in text
    assert [release.number for release in load_releases(served)] == [2]
    assert not list(served.glob("*/1"))
    assert problems(served) == []
    before = {path: path.read_text() for path in served.glob("*/config.pbtxt")}
    write_own_configs(served)
    assert before == {path: path.read_text() for path in served.glob("*/config.pbtxt")}


def test_a_repository_of_before_is_verified_gets_a_release_and_loses_its_own(repository: Path, tmp_path: Path) -> None:
    as_before(repository)
    assert problems(repository) == []
    release = Path(shutil.copytree(REPOSITORY, tmp_path / "release"))
    assert publish(release, repository) == 2
    assert [kept.release for kept in load_releases(repository)] == ["lite-3", "0.3.0"]
    assert problems(repository) == []
    assert "removed release 0.3.0 (number 1)" in dualtrack("remove", "0.3.0", "--repository", repository)
    assert problems(repository) == []


def test_another_architecture_is_not_published(repository: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(REPOSITORY, tmp_path / "release"))
    change(release / "manifest.json", lambda document: document.update(architecture="resnext"))
    with pytest.raises(ConfigurationError, match="expected the architecture of"):
        publish(release, repository)
    assert [kept.number for kept in load_releases(repository)] == [1]


def test_remove_forgets_the_earlier_parameter(served: Path) -> None:
    for config in served.glob("*/config.pbtxt"):
        config.write_text(config.read_text().replace("dualtrack_release_1", "dualtrack_version_1"))
    dualtrack("remove", "1", "--repository", served)
    for config in served.glob("*/config.pbtxt"):
        text = config.read_text()
        assert "dualtrack_version_1" not in text
        assert "dualtrack_release_2" in text


@pytest.mark.parametrize(
    ("which", "error", "message"),
    [
        ("2", Conflict, "2 is the release in use"),
        ("lite-4", Conflict, "lite-4 is the release in use"),
        ("3", NotFound, r"\(1 \(lite-3\)\), got 3"),
        ("lite-2", NotFound, "got lite-2"),
    ],
)
def test_remove_refuses(which: str, error: type[Exception], message: str, served: Path) -> None:
    files = sorted(served.rglob("*"))
    with pytest.raises(error, match=message):
        remove_release(served, which)
    assert sorted(served.rglob("*")) == files


def test_remove_takes_what_no_manifest_names(repository: Path) -> None:
    stray(repository)
    assert "removed number 7: siamese_rpn" in dualtrack("remove", "7", "--repository", repository)
    assert problems(repository) == []
