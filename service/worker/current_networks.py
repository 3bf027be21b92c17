"""The networks of the newest release in the repository: checked before every job, so that a swap needs no restart."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import structlog

from dualtrack.errors import ConfigurationError, Unavailable
from service.inference.repository.manifest import Manifest, load_manifest
from service.pipeline.networks import Networks

log = structlog.get_logger()
Open = Callable[[Manifest], Awaitable[Networks]]


class CurrentNetworks:
    """One release's networks at a time.

    Args:
        repository: whose manifest is looked at.
        first: opened already. Whoever opened them closes them; here they are closed when another release takes their
            place.
        open_networks: opens those of a release.
    """

    def __init__(self, repository: Path, first: Networks, open_networks: Open) -> None:
        self._repository, self._first, self._networks, self._open = repository, first, first, open_networks

    async def renewed(self) -> Networks:
        """The newest release's networks; those of the release before while the new one can't be used yet."""
        try:
            manifest = load_manifest(self._repository)
            if manifest == self._networks.manifest:
                return self._networks
            fresh = await self._open(manifest)
        except (ConfigurationError, Unavailable) as error:  # most often: published, but not loaded by the server yet
            log.warning("release not in use", staying_with=self._networks.manifest.release, why=error.detail)
            return self._networks
        old, self._networks = self._networks, fresh
        await old.client.close()
        return fresh

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._networks is not self._first:
            await self._networks.client.close()
