"""A release that is published between two jobs: which networks do the next job, and when the others are closed."""

import asyncio
from pathlib import Path

import pytest

from dualtrack.errors import ConfigurationError, Unavailable
from service.inference.fake.client import FakeClient
from service.inference.repository.manifest import Manifest, load_manifest
from service.pipeline.networks import Networks
from service.worker.current_networks import CurrentNetworks
from tests.integration.api.api_service import write_manifest


class Client(FakeClient):
    """Counts how often it is closed."""

    closed = 0

    async def close(self) -> None:
        self.closed += 1
        await super().close()


def publish(repository: Path, version: str) -> None:
    path = repository / "manifest.json"
    path.write_text(path.read_text().replace('"release": "lite-1"', f'"release": "{version}"'))


async def outcome(
    repository: Path, published: str | None, refused: Exception | None
) -> tuple[str, list[int], list[int]]:
    """The release of the second job, and how often each client was closed before and after the end."""
    clients: list[Client] = []

    async def opened(manifest: Manifest) -> Networks:
        if clients and refused is not None:
            raise refused
        clients.append(Client(manifest.dims))
        return Networks(clients[-1], manifest)

    write_manifest(repository)
    first = await opened(load_manifest(repository))
    async with CurrentNetworks(repository, first, opened) as current:
        assert await current.renewed() is first
        if published is not None:
            publish(repository, published)
        for _ in range(2):
            second = await current.renewed()
        before = [client.closed for client in clients]
    return second.manifest.release, before, [client.closed for client in clients]


@pytest.mark.parametrize(
    ("published", "refused", "release", "before", "after"),
    [
        pytest.param(None, None, "lite-1", [0], [0], id="none: the first is closed by whoever opened it"),
        pytest.param("lite-2", None, "lite-2", [1, 0], [1, 1], id="a newer one takes its place"),
        pytest.param("lite-2", Unavailable("away"), "lite-1", [0], [0], id="a newer one that is not loaded yet"),
        pytest.param("lite-2", ConfigurationError("bad"), "lite-1", [0], [0], id="a newer one that can't be used"),
    ],
)
def test_the_newest_release_that_can_be_used_does_the_next_job(
    tmp_path: Path,
    published: str | None,
    refused: Exception | None,
    release: str,
    before: list[int],
    after: list[int],
) -> None:
    assert asyncio.run(outcome(tmp_path / "models", published, refused)) == (release, before, after)
