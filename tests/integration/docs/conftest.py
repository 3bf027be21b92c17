"""A folder as the pages suppose it, and a running service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli.demo import running_service
from tests.support.clips import cut

FRAMES = 8


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service with a worker and the bundled models."""
    with running_service(tmp_path_factory.mktemp("service")) as url:
        yield url


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For what runs without the service: one cache for all pages."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def folder(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: `clip.mp4`, and the demo clip where a checkout has it, both of a few frames."""
    demo = tmp_path / "demo" / "pedestrians.mp4"
    demo.parent.mkdir()
    cut(demo, FRAMES, hw=(576, 768))
    (tmp_path / "clip.mp4").write_bytes(demo.read_bytes())
    monkeypatch.setenv("DUALTRACK_DATA_DIR", str(data_dir))
    monkeypatch.chdir(tmp_path)
    return tmp_path
