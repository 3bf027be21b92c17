"""The manifest, the check of the files, and what onnxruntime refuses at start-up."""

import asyncio
import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualtrack.errors import ConfigurationError
from service.inference.client import InferenceClient
from service.inference.open import open_client
from service.inference.repository.manifest import FORMAT, display_names, load_manifest, load_releases, verify
from service.inference.repository.triton_parameters import check_parameters
from service.inference.specs import graph_specs
from tests.support.patience import PATIENCE_S
from tests.support.pipelines import REPOSITORY


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(REPOSITORY, tmp_path / "repository"))


def open_here(path: Path, *, providers: tuple[str, ...] = ("CPUExecutionProvider",)) -> InferenceClient:
    manifest = load_manifest(path)
    return asyncio.run(open_client(manifest, triton_url=None, providers=providers, threads=1, deadline_s=PATIENCE_S))


def test_bundled_repository_is_whole() -> None:
    manifest = load_manifest(REPOSITORY)
    verify(manifest)
    assert set(manifest.graphs) == set(graph_specs(manifest.dims))
    assert len(manifest.classes) == manifest.dims.classes
    names = display_names(manifest.classes)
    assert len(set(names)) == len(names)
    assert {name for name in names if name.startswith("mouse")} == {
        "mouse (coco)",
        "mouse (ytvis2019)",
    }


def test_changed_file_is_found(repository: Path) -> None:
    path = repository / "siamese_rpn" / "1" / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ConfigurationError, match=r"model siamese_rpn: expected sha256 \w{16}…, .*has \w{16}…"):
        verify(load_manifest(repository))


def test_missing_file_is_found(repository: Path) -> None:
    (repository / "siamese_rpn" / "1" / "model.onnx").unlink()
    manifest = load_manifest(repository)
    with pytest.raises(ConfigurationError, match=r"model siamese_rpn: expected .*, which does not exist"):
        verify(manifest)
    with pytest.raises(ConfigurationError, match="model siamese_rpn: onnxruntime can't load"):
        open_here(repository)


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        document = json.loads(text)
        change(document)
        return json.dumps(document)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda _: "{", "can't be read: JSONDecodeError"),
        (lambda _: "[]", "can't be read: TypeError"),
        (_edit(lambda document: document.update(graphs=[])), "can't be read: AttributeError"),
        (_edit(lambda document: document.pop("release")), "can't be read: KeyError.*release"),
        (_edit(lambda document: document["dims"].update(color=3)), "can't be read: TypeError.*color"),
        (_edit(lambda document: document["graphs"]["siamese_rpn"].pop("sha256")), "can't be read: KeyError.*sha256"),
    ],
)
def test_spoilt_manifest(repository: Path, edit: Callable[[str], str], message: str) -> None:
    file = repository / "manifest.json"
    file.write_text(edit(file.read_text()))
    with pytest.raises(ConfigurationError, match=f"manifest.json {message}"):
        load_manifest(repository)


def test_a_repository_that_is_a_file_is_named(repository: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"manifest\.json/manifest\.json can't be read: NotADirectoryError"):
        load_manifest(repository / "manifest.json")


def of_format_0(preset: str, version: str) -> Callable[[str], str]:
    """The names that manifests had until they got a format."""

    def change(document: dict[str, Any]) -> None:
        for key in ("format", "architecture", "release"):
            del document[key]
        document.update(preset=preset, version=version)

    return _edit(change)


@pytest.mark.parametrize(
    ("preset", "version", "names"),
    [
        pytest.param("lite", "0.3.0", ("lite", "0.3.0"), id="the bundled one before it was renamed"),
        pytest.param("paper", "0.0.0", ("resnext", "0.0.0"), id="an architecture that was renamed"),
        pytest.param("maskrcnn_resnet50_fpn", "ab12", ("maskrcnn_resnet50_fpn", "ab12"), id="an imported one"),
    ],
)
def test_manifests_of_format_0_are_read(repository: Path, preset: str, version: str, names: tuple[str, str]) -> None:
    bundled, file = load_manifest(REPOSITORY), repository / "manifest.json"
    text = of_format_0(preset, version)(file.read_text())
    for written in (file, repository / "manifest-1.json"):
        written.write_text(text)
    current, earlier = load_releases(repository)
    assert (current.architecture, current.release) == names
    assert (earlier.architecture, earlier.release) == names
    assert replace(current, path=bundled.path, architecture=bundled.architecture, release=bundled.release) == bundled


@pytest.mark.parametrize("name", ["manifest.json", "manifest-1.json"])
def test_a_newer_format_is_refused_with_both_numbers(repository: Path, name: str) -> None:
    newer = _edit(lambda document: document.update(format=FORMAT + 1, architecture=None))
    (repository / name).write_text(newer((repository / "manifest.json").read_text()))
    with pytest.raises(ConfigurationError) as caught:
        load_releases(repository)
    said = f"model repository: {repository / name} has format 2, this version of dualtrack reads up to format 1"
    assert caught.value.detail == said


@pytest.mark.parametrize("value", ["1", -1, 1.5, None])
def test_a_format_that_is_no_number_is_refused(repository: Path, value: object) -> None:
    file = repository / "manifest.json"
    file.write_text(_edit(lambda document: document.update(format=value))(file.read_text()))
    with pytest.raises(ConfigurationError, match=r"can't be read: ValueError.*format: expected a number from 0 to 1"):
        load_manifest(repository)


SHA256 = load_manifest(REPOSITORY).graphs["siamese_rpn"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        pytest.param({"dualtrack_release_1": "lite-3", "dualtrack_sha256_1": SHA256}, None, id="the same"),
        pytest.param({"dualtrack_version_1": "lite-3", "dualtrack_sha256_1": SHA256}, None, id="the earlier key"),
        pytest.param(
            {"dualtrack_version_1": "0.3.0", "dualtrack_sha256_1": SHA256}, None, id="the same file by its earlier name"
        ),
        pytest.param(
            {"dualtrack_version_1": "0.3.0", "dualtrack_sha256_1": "0" * 64},
            f"dualtrack_sha256_1 '{SHA256}' .*, the server has '0{{64}}'",
            id="another file under the earlier key",
        ),
        pytest.param(
            {"dualtrack_release_1": "lite-4", "dualtrack_sha256_1": SHA256},
            "dualtrack_release_1 'lite-3' .*, the server has 'lite-4'",
            id="another release",
        ),
        pytest.param(
            {"dualtrack_release_1": "lite-4", "dualtrack_version_1": "lite-3", "dualtrack_sha256_1": SHA256},
            "dualtrack_release_1 'lite-3' .*, the server has 'lite-4'",
            id="another release beside the earlier key",
        ),
        pytest.param(
            {"dualtrack_release_2": "lite-3", "dualtrack_sha256_2": SHA256},
            "dualtrack_release_1 'lite-3' .*, the server has None",
            id="another number",
        ),
        pytest.param({"dualtrack_release_1": "lite-3"}, "dualtrack_sha256_1 .*, the server has None", id="no sha256"),
    ],
)
def test_what_a_server_says_is_compared_with_the_manifest(said: dict[str, str], problem: str | None) -> None:
    expected = pytest.raises(ConfigurationError, match=f"model siamese_rpn: expected {problem}")
    with nullcontext() if problem is None else expected:
        check_parameters(load_manifest(REPOSITORY), "siamese_rpn", said, "the server")


def test_absent_manifest(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expected .*manifest\.json, which does not exist"):
        load_manifest(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07truncated"])
def test_corrupt_model_is_refused_by_name(repository: Path, content: bytes) -> None:
    (repository / "pixel_embedding" / "1" / "model.onnx").write_bytes(content)
    with pytest.raises(ConfigurationError, match="model pixel_embedding: onnxruntime can't load"):
        open_here(repository)


@pytest.mark.parametrize("providers", [("MadeUpExecutionProvider", "CPUExecutionProvider"), ()])
def test_provider_that_this_build_lacks(providers: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"expected providers \[.*\], this build has \[.*CPUExecutionProvider"):
        open_here(REPOSITORY, providers=providers)
