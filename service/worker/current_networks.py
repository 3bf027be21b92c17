"""The networks of the newest release; the repository is checked before every job, so a new one needs no restart."""

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
    """Holds the networks of one release at a time.

    Args:
        repository: model repository whose manifest is checked.
        first: networks that are already open. The caller closes them, unless a newer release has replaced them.
        open_networks: opens the networks of a release.
    """

    def __init__(self, repository: Path, first: Networks, open_networks: Open) -> None:
        self._repository, self._first, self._networks, self._open = repository, first, first, open_networks

    async def renewed(self) -> Networks:
        """The networks of the newest release, or of the previous one as long as the newest can't be used."""
        try:
            manifest = load_manifest(self._repository)
            if manifest == self._networks.manifest:
                return self._networks
            fresh = await self._open(manifest)
        except (ConfigurationError, Unavailable) as error:  # usually published, but not yet loaded by Triton
            log.warning("new release can't be used yet", keeping=self._networks.manifest.release, reason=error.detail)
            return self._networks
        old, self._networks = self._networks, fresh
        await old.client.close()
        return fresh

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._networks is not self._first:
            await self._networks.client.close()
