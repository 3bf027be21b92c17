"""`python -m service.api`: the API under uvicorn, as `dualtrack serve` starts it."""

import uvicorn

from service.api.app import create_app
from service.settings import Settings

GRACE_S = 10
"""Seconds that requests under way are given after SIGTERM."""


def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=512,
    )


if __name__ == "__main__":
    main()
