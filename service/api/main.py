"""The API under uvicorn.

`dualtrack serve` passes it the listening sockets, which outlive every API process; otherwise it makes its own.
"""

import contextlib
import logging
import os
import resource
import socket
from collections.abc import Sequence

import structlog
from fastapi import FastAPI

from dualtrack.errors import DualtrackError
from service.api.app import create_app
from service.api.server.config import server_config
from service.api.server.draining import DrainingServer
from service.processes.exit_codes import exit_with
from service.processes.listening import listen, url_of
from service.processes.private import PRIVATE, private_folder
from service.settings import Settings
from service.telemetry import configure_logging


def main(words: Sequence[str] = ()) -> None:
    """Serve until SIGTERM."""
    try:
        settings = Settings()
        configure_logging(settings.log_level, json=settings.log_json)
        _serve(settings, [int(word) for word in words])
    except DualtrackError as error:
        exit_with(error)


def _serve(settings: Settings, descriptors: Sequence[int]) -> None:
    """Serve until SIGTERM.

    Raises:
        ConfigurationError: the address, the key, the data directory or the models can't be used.
        Unavailable: Redis can't be reached.
    """
    app = create_app(settings)
    os.umask(PRIVATE)
    _raise_open_files()
    with contextlib.ExitStack() as stack:
        made = [socket.socket(fileno=each) for each in descriptors] or listen(settings.host, settings.port)
        sockets = [stack.enter_context(each) for each in made]
        url = url_of(sockets, settings.host)
        private_folder(settings.data_dir)
        # uvicorn logs a traceback for what is reported in one line below
        logging.getLogger("uvicorn.error").addFilter(lambda _: app.state.failure is None)
        structlog.get_logger("dualtrack.api").info("starting", url=url)
        try:
            _server(app, settings).run(sockets=sockets)
        except SystemExit:
            if app.state.failure is None:
                raise
            raise app.state.failure from None


def _server(app: FastAPI, settings: Settings) -> DrainingServer:
    config = server_config(app, settings)
    return DrainingServer(config, app.state.stopping, app.state.leaving, unready_s=settings.unready_s)


def _raise_open_files() -> None:
    """As many open files as the system allows: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
