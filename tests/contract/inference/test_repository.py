"""The manifest, the check of the files, and what onnxruntime refuses at start-up."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dualtrack.errors import ConfigurationError
from service.inference.client import InferenceClient
from service.inference.open import open_client
from service.inference.repository.manifest import load_manifest, verify
from service.inference.specs import graph_specs
from tests.pipelines import REPOSITORY


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(REPOSITORY, tmp_path / "repository"))


def open_here(path: Path, *, providers: tuple[str, ...] = ("CPUExecutionProvider",)) -> InferenceClient:
    manifest = load_manifest(path)
    return asyncio.run(open_client(manifest, triton_url=None, providers=providers, threads=1, deadline_s=5))


def test_bundled_repository_is_whole() -> None:
    manifest = load_manifest(REPOSITORY)
    verify(manifest)
    assert set(manifest.graphs) == set(graph_specs(manifest.dims))
    assert len(manifest.classes) == manifest.dims.classes
    assert len(set(manifest.display_names)) == len(manifest.display_names)
    assert {name for name in manifest.display_names if name.startswith("mouse")} == {
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
    with pytest.raises(ConfigurationError, match=r"model siamese_rpn: expected .*, found no such file"):
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
        (_edit(lambda document: document.pop("version")), "can't be read: KeyError.*version"),
        (_edit(lambda document: document["dims"].update(colour=3)), "can't be read: TypeError.*colour"),
        (_edit(lambda document: document["graphs"]["siamese_rpn"].pop("sha256")), "can't be read: KeyError.*sha256"),
    ],
)
def test_spoilt_manifest(repository: Path, edit: Callable[[str], str], message: str) -> None:
    file = repository / "manifest.json"
    file.write_text(edit(file.read_text()))
    with pytest.raises(ConfigurationError, match=f"manifest.json {message}"):
        load_manifest(repository)


def test_absent_manifest(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expected .*manifest\.json, found no such file"):
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
