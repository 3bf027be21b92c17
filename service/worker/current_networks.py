"""The networks of the newest release in the repository: looked at before every job, so that a swap needs no restart."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import structlog

from dualtrack.errors import ConfigurationError, Unavailable
from service.inference.client import InferenceClient
from service.inference.repository.manifest import Manifest, load_manifest
from service.pipeline.networks import Networks

log = structlog.get_logger()
Open = Callable[[Manifest], Awaitable[InferenceClient]]


class CurrentNetworks:
    """One release's networks at a time.

    Args:
        repository: whose manifest is looked at.
        networks: opened already.
        open_client: opens the client of a release.
    """

    def __init__(self, repository: Path, networks: Networks, open_client: Open) -> None:
        self._repository, self.networks, self._open = repository, networks, open_client

    @classmethod
    async def open(cls, repository: Path, open_client: Open) -> Self:
        """Open the release that the repository holds now; errors as `open_client` raises them."""
        manifest = load_manifest(repository)
        return cls(repository, Networks(await open_client(manifest), manifest), open_client)

    async def renewed(self) -> Networks:
        """The newest release's networks; those of the release before while the new one can't be used yet."""
        try:
            manifest = load_manifest(self._repository)
            if manifest == self.networks.manifest:
                return self.networks
            fresh = Networks(await self._open(manifest), manifest)
        except (ConfigurationError, Unavailable) as error:  # most often: published, but not loaded by the server yet
            log.warning("release not in use", staying_with=self.networks.manifest.release, why=error.detail)
            return self.networks
        old, self.networks = self.networks, fresh
        await old.client.close()
        return fresh

    async def close(self) -> None:
        """Close the client in use."""
        await self.networks.client.close()
