"""What hostile clients send: each request gets its status as a problem, and the service stays as it was."""

import contextlib
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.api.api_service import wait_for
from tests.reliability.abuse import CLOSED, SLOW, TABLE, Abuse, request
from tests.reliability.following import Desk, desk, scene
from tests.reliability.responses import PATIENCE_S, Responses, complaint
from tests.reliability.service_processes import Service

pytestmark = pytest.mark.reliability


@pytest.fixture
def at(service: Service) -> Iterator[Desk]:
    with desk(service) as opened:
        yield opened


def test_all_slow_requests_at_once(service: Service) -> None:
    with ThreadPoolExecutor(len(SLOW)) as threads:
        list(threads.map(lambda abuse: test_a_hostile_request(service, abuse), SLOW))


@pytest.mark.parametrize("abuse", TABLE, ids=lambda abuse: abuse.name)
def test_a_hostile_request(service: Service, abuse: Abuse) -> None:
    answer = exchange(service.url, abuse)
    if not answer:
        assert CLOSED in abuse.statuses
        return
    status, headers = head_of(answer)
    assert status in abuse.statuses, answer[:500]
    assert complaint(status, headers) is None


def test_a_hundred_requests_at_once_on_one_connection(service: Service) -> None:
    sent = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" * 99 + request(b"GET", b"/livez")
    answer = exchange(service.url, Abuse("pipelined", sent, frozenset({200})))
    assert answer.count(b"HTTP/1.1 200 ") == 100


def test_hundreds_of_silent_connections_keep_nobody_out(service: Service, http: httpx.Client) -> None:
    with connections(service.url, 600) as silent:
        assert http.get(f"{service.url}/livez").status_code == 200
        assert [rest(each) for each in silent] == [b""] * 600


def test_hundreds_of_long_polls_are_answered(at: Desk, tmp_path: Path) -> None:
    path = at.submit(scene(tmp_path / "a.mp4", 4))
    at.until_it_ends(path)
    version = at.caller.call("GET", path).json()["version"]
    waits = request(b"GET", f"{path}?wait=2".encode())
    changes = request(b"GET", f"{path}?wait=2&version={version + 1}".encode())
    with connections(at.service.url, 300) as polls:
        for number, each in enumerate(polls):
            each.sendall(waits if number % 2 else changes)
        assert {head_of(rest(each))[0] for each in polls} == {200}


def test_a_crowd_of_uploads_is_refused_in_order(service: Service, http: httpx.Client) -> None:
    responses = Responses()

    def upload(number: int) -> int:
        content = b"no video %d" % number * 10_000
        sent = http.post(f"{service.url}/v1/videos", content=content, headers={"Content-Type": "video/mp4"})
        responses.note("upload", sent.status_code, sent.headers)
        return sent.status_code

    with ThreadPoolExecutor(64) as threads:
        assert set(threads.map(upload, range(100))) <= {415, 429}
    assert responses.wrong == []


def test_uploads_that_break_off_leave_nothing(service: Service) -> None:
    for content in (request(b"POST", b"/v1/videos", b"Content-Length: 100000\r\n") + b"x" * 50_000,) * 40:
        with connections(service.url, 1) as [connection]:
            connection.sendall(content)
            # a reset in place of an end
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: not list((service.folder / "blobs" / "parts").iterdir()), PATIENCE_S)


def test_nothing_of_it_was_stored(service: Service, at: Desk) -> None:
    assert not list((service.folder / "blobs" / "parts").iterdir())
    ready = at.caller.once("GET", "/readyz")
    assert ready is not None
    assert ready.status_code == 200


def exchange(url: str, abuse: Abuse) -> bytes:
    """All that comes back until the server closes the connection."""
    with connections(url, 1) as [connection]:
        # the server may have answered, and closed its end, before all was sent
        with contextlib.suppress(ConnectionError):
            connection.sendall(abuse.sent)
        if abuse.ends:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        return rest(connection)


@contextlib.contextmanager
def connections(url: str, count: int) -> Iterator[list[socket.socket]]:
    address = urlsplit(url)
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S))
            for _ in range(count)
        ]


def rest(connection: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            found += piece
    return found


def head_of(answer: bytes) -> tuple[int, httpx.Headers]:
    """Status and headers of the first answer."""
    first, *lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return int(first.split()[1]), httpx.Headers([line.split(b": ", 1) for line in lines])  # type: ignore[misc]
