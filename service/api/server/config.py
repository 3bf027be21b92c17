"""The server of an application, as `python -m service.api` runs it."""

import uvicorn
from starlette.types import ASGIApp

from service.api.proxies import Proxies
from service.api.server.protocol import DeadlineProtocol
from service.api.server.waiting import Waiting
from service.settings import Settings

GRACE_S = 10
"""Seconds that requests under way are given after SIGTERM."""
KEEP_ALIVE_S = 5


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Uvicorn's configuration: no limit on the number of connections, which would refuse everybody alike."""
    protocol = type(
        "Connection",
        (DeadlineProtocol,),
        {"waiting": Waiting(), "proxies": Proxies(settings.trusted_proxies)},
    )
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # forwarded headers are read by our own middleware, which trusts no one unless the settings say so
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
