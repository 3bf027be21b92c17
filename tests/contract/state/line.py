"""A line to Valkey that a test can break or hold at a known place."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from redis.asyncio import Redis

from service.state.connection import connect


class Line:
    """Passes bytes on in both directions, between clients and the server's socket.

    Attributes:
        lose_answer: the next answer is dropped, and its connection with it.
        hold_after_answer: once the next answer has passed, no further command does before `go_on` is set.
        answered: that answer has passed.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self.lose_answer = self.hold_after_answer = False
        self.answered, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, from its start to its end."""
        back, on = await asyncio.open_unix_connection(self._server)
        commands = asyncio.create_task(self._commands(reader, on))
        try:
            while answer := await back.read(65536):
                if self.lose_answer:
                    self.lose_answer = False
                    return
                if self.hold_after_answer:
                    self.hold_after_answer = False
                    self.go_on.clear()
                    self.answered.set()
                writer.write(answer)
                await writer.drain()
        finally:
            commands.cancel()
            for end in (writer, on):
                end.close()

    async def _commands(self, reader: asyncio.StreamReader, on: asyncio.StreamWriter) -> None:
        while command := await reader.read(65536):
            await self.go_on.wait()
            on.write(command)
            await on.drain()
        on.close()


@contextlib.asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[Line, Redis]]:
    """A line to the server at `url`, and a client at its end that is connected already."""
    # a short path: a unix socket's may have 107 bytes
    with tempfile.TemporaryDirectory(prefix="dt") as folder:
        line, socket = Line(url.removeprefix("unix://")), Path(folder) / "s"
        server = await asyncio.start_unix_server(line.serve, str(socket))
        redis = connect(f"unix://{socket}")
        try:
            await redis.ping()
            yield line, redis
        finally:
            line.go_on.set()
            await redis.aclose()
            server.close()
