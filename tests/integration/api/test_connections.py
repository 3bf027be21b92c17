"""Connections that are silent, slow or broken: each is ended, and all others are served."""

import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.api.app import create_app
from service.api.intake import pace
from service.api.server import config
from service.api.server.protocol import DeadlineProtocol
from service.api.server.waiting import Waiting
from tests.integration.api.api_service import RAW, Api, clip, running, server, wait_for
from tests.support.patience import PATIENCE_S, get

HEADER = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPLOAD = b"POST /v1/videos HTTP/1.1\r\nHost: localhost\r\nContent-Type: video/mp4\r\nContent-Length: 1000000\r\n\r\nx"


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """One that waits for headers as long as a busy machine may need to send them."""
    monkeypatch.setattr(DeadlineProtocol, "header_s", PATIENCE_S)
    with running(tmp_path) as api:
        yield api


@pytest.fixture
def deadline(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers have one."""
    monkeypatch.setattr(DeadlineProtocol, "header_s", 0.5)


@contextlib.contextmanager
def connections(api: Api | str, count: int) -> Iterator[list[socket.socket]]:
    address = urlsplit(api if isinstance(api, str) else api.url)
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S))
            for _ in range(count)
        ]


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            found += piece
    return found


@pytest.mark.parametrize(
    ("sent", "answer"),
    [(b"", b""), (b"GET /livez HT", b"HTTP/1.1 408 "), (HEADER[:-2], b"HTTP/1.1 408 ")],
    ids=["silent", "first line", "all but the end"],
)
@pytest.mark.usefixtures("deadline")
def test_a_connection_without_a_header_is_closed(api: Api, sent: bytes, answer: bytes) -> None:
    with connections(api, 1) as [connection]:
        connection.sendall(sent)
        got = rest(connection)
    assert got.startswith(answer)
    assert bool(got) == bool(answer)
    assert b"text/plain" not in got


def test_the_next_header_of_a_kept_connection_has_a_deadline_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with connections(api, 1) as [connection]:
        connection.sendall(HEADER)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        monkeypatch.setattr(DeadlineProtocol, "header_s", 0.5)
        connection.sendall(HEADER[:5])
        assert b"HTTP/1.1 408 " in rest(connection)


def test_many_requests_under_way_from_one_address_are_served(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "Waiting", lambda: Waiting(most=2, young_s=0))
    with server(create_app(api.settings), api.settings) as (url, served), contextlib.ExitStack() as stack:
        with api.http() as http:
            video = http.post("/v1/videos", content=clip(tmp_path / "a.mp4").read_bytes(), headers=RAW).json()["id"]
            job = http.post("/v1/jobs", json={"video_id": video}).json()["links"]["self"]
        polls: list[socket.socket] = []
        for number in range(50):
            polls += stack.enter_context(connections(url, 1))
            polls[-1].sendall(b"GET %s?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n" % job.encode())
            wait_for(lambda: len(served.server_state.tasks) > number)  # noqa: B023 (called right away)
        with api.http() as http:
            http.delete(job)
        for each in polls:
            assert each.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(("proxies", "closed"), [((), 3), (("127.0.0.0/8",), 0)])
def test_silent_connections_of_one_client_are_few_unless_it_is_a_proxy(
    proxies: tuple[str, ...], closed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "Waiting", lambda: Waiting(most=2, young_s=0))
    monkeypatch.setattr(DeadlineProtocol, "header_s", PATIENCE_S)
    with running(tmp_path, trusted_proxies=proxies) as api, connections(api, 5) as silent:
        for each in silent[:closed]:
            assert rest(each) == b""
        for each in silent[closed:]:
            each.sendall(HEADER)
            assert each.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_uploads_that_trickle_make_room_for_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "SLOW_AFTER_S", 0.2)
    with connections(api, 16) as uploads, api.http() as http:
        for each in uploads:
            each.sendall(UPLOAD)

        def room() -> bool:
            for each in uploads:
                with contextlib.suppress(OSError):
                    each.sendall(b"x")
            answer = http.post("/v1/videos", content=b"no video", headers={"Content-Type": "video/mp4"})
            return answer.status_code == 415

        wait_for(room)


def test_a_client_that_does_not_read_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeadlineProtocol, "read_s", 0.2)
    with connections(api, 1) as [connection]:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # more than the kernel's buffers take
        connection.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        wait_for(lambda: not accepted(connection))


def test_a_process_that_stops_answers_what_it_has_accepted(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeadlineProtocol, "stopping_s", PATIENCE_S)
    with server(create_app(api.settings), api.settings) as (url, stopped), connections(url, 3) as [first, kept, poll]:
        stopped.config.timeout_graceful_shutdown = PATIENCE_S
        kept.sendall(HEADER)
        assert kept.recv(65536).startswith(b"HTTP/1.1 200 ")
        with api.http() as http:
            created = http.post("/v1/videos", content=clip(tmp_path / "a.mp4").read_bytes(), headers=RAW)
            job = http.post("/v1/jobs", json={"video_id": created.json()["id"]}).json()["id"]
        poll.sendall(b"GET /v1/jobs/%s?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n" % job.encode())
        wait_for(lambda: len(stopped.server_state.tasks) == 1)
        stopped.should_exit = True
        assert rest(poll).startswith(b"HTTP/1.1 200 "), "a long poll is answered, not cut off"
        for each in (first, kept):
            each.sendall(HEADER)
            got = rest(each)
            assert b"HTTP/1.1 200 " in got
            assert b"connection: close" in got.lower()


def test_a_process_that_leaves_says_so_before_it_stops(api: Api) -> None:
    settings = api.settings.model_copy(update={"unready_s": PATIENCE_S})
    with server(create_app(settings), settings) as (url, leaving):
        assert "api" not in get(f"{url}/readyz").json()["checks"]
        leaving.handle_exit(signal.SIGTERM, None)
        unready = get(f"{url}/readyz")
        assert (unready.status_code, unready.json()["checks"]["api"]) == (503, "stopping")
        assert get(f"{url}/v1/models").status_code == 200
        leaving.handle_exit(signal.SIGTERM, None)
        wait_for(lambda: not leaving.servers or not leaving.servers[0].is_serving())


def accepted(connection: socket.socket) -> bool:
    """Whether the server still has its end of the connection."""
    ends = f":{connection.getpeername()[1]:04X}", f":{connection.getsockname()[1]:04X}"
    rows = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(here.endswith(ends[0]) and there.endswith(ends[1]) for here, there, state in rows if state == "01")
