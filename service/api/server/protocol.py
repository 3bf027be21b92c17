"""Uvicorn's protocol with deadlines: for a header, for a client that does not read, and for the end of the process."""

import asyncio
from typing import ClassVar

import h11
import structlog
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.api import problems
from service.api.proxies import Proxies, client_key
from service.api.server.waiting import Waiting

HEADER_S = 10.0
"""Seconds from the first byte of a request, or from the opening of the connection, to the end of its header."""
READ_S = 60.0
"""Seconds in which a client that receives an answer must read the 64 KiB that are buffered for it."""
STOPPING_S = 1.0
"""Seconds for which a process that stops still takes a request on a connection that it has already accepted."""
log = structlog.get_logger("dualtrack.api")


class DeadlineProtocol(H11Protocol):
    """One connection."""

    waiting: ClassVar[Waiting]
    proxies: ClassVar[Proxies] = Proxies()
    """Each speaks for many clients, so that its connections are not bounded."""
    header_s: ClassVar[float] = HEADER_S
    read_s: ClassVar[float] = READ_S
    stopping_s: ClassVar[float] = STOPPING_S
    _header_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None
    _stopping = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Start the deadline of the first header."""
        super().connection_made(transport)
        self._await_header(self.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all deadlines."""
        self._header_came()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on; the deadline ends with a complete header and starts with the first byte of the next."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._header_came()
        elif self._is_idle() and self._header_timer is None and not self.transport.is_closing():
            self._await_header(self.header_s)

    def handle_events(self) -> None:
        """As uvicorn; a request on a connection of a process that stops is the connection's last one."""
        before = self.cycle
        super().handle_events()
        if self._stopping and self.cycle is not before:
            self._close_after_answer()

    def pause_writing(self) -> None:
        """The client reads slower than the application writes."""
        super().pause_writing()
        if self._read_timer is None:
            self._read_timer = self.loop.call_later(self.read_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
        super().resume_writing()

    def shutdown(self) -> None:
        """End the connection after the request under way, or after one that may already be on its way."""
        self._stopping = True
        if self._is_idle():
            self._header_came()
            self._await_header(self.stopping_s)
        else:
            self._close_after_answer()

    def drop(self) -> None:
        """Close the connection; a client that has sent part of a header gets a 408 first."""
        self._header_came()
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0] and not self._stopping:
            self._refuse(408, f"request: expected a complete header within {self.header_s:g} s")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """A request that is not HTTP."""
        host = self.client[0] if self.client else ""
        log.info("request refused", status=400, why=msg, client=host)
        self._refuse(400, "request: expected HTTP/1.1")

    def _should_upgrade(self) -> bool:
        """Never: without this, uvicorn logs two warnings for every request that wants to."""
        return False

    def _refuse(self, status: int, detail: str) -> None:
        """A problem in place of an answer of the application, which learns that the client has gone."""
        if not self._is_idle():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            answer = problems.response(problems.of_status(status, detail), {})
            headers = [*answer.raw_headers, CLOSE_HEADER]
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _close_after_answer(self) -> None:
        self.cycle.keep_alive = False
        if not self.cycle.response_started:
            self.cycle.scope["headers"] = [*self.cycle.scope["headers"], CLOSE_HEADER]

    def _await_header(self, seconds: float) -> None:
        self._header_timer = self.loop.call_later(seconds, self.drop)
        host = self.client[0] if self.client else ""
        if not self._stopping and not self.proxies.include(host):
            self.waiting.add(client_key(host), self)

    def _header_came(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
        self.waiting.remove(client_key(self.client[0] if self.client else ""), self)
