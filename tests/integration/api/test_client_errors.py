"""Every error of the service in the client, and what the client sends again."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse

from dualtrack.client.async_client import AsyncClient
from dualtrack.client.client import Client
from dualtrack.client.responses import retry_after_s
from dualtrack.client.retries import Clock
from dualtrack.error_codes import CLASS_OF_CODE, INTERNAL, status_of
from dualtrack.errors import (
    ConfigurationError,
    DualtrackError,
    Gone,
    InvalidParameter,
    JobFailed,
    NewerFormat,
    Overloaded,
    Unavailable,
)
from service.api.app import handle_errors
from service.api.problems import Problem, RequestProblem
from tests.integration.api.api_service import serving


@dataclass
class Hours:
    """A clock that only sleeping moves."""

    slept: list[float] = field(default_factory=list)

    def clock(self, jitter: float = 0.5) -> Clock:
        async def sleep_async(seconds: float) -> None:
            self.slept.append(seconds)

        return Clock(lambda: sum(self.slept), self.slept.append, sleep_async, lambda: jitter)


Models = Callable[..., Any]
"""`models` of a client for a URL with options."""


def models(url: str, **options: Any) -> Any:
    with Client(url, **options) as client:
        return client.models()


def models_async(url: str, **options: Any) -> Any:
    async def act() -> Any:
        async with AsyncClient(url, **options) as client:
            return await client.models()

    return asyncio.run(act())


both = pytest.mark.parametrize("get_models", [models, models_async], ids=["Client", "AsyncClient"])


@dataclass
class Refusals:
    """What the application raises, first to last, before it answers."""

    errors: list[Exception | Response] = field(default_factory=list)


@pytest.fixture(scope="module")
def refusals() -> Refusals:
    return Refusals()


@pytest.fixture(scope="module")
def url(refusals: Refusals) -> Iterator[str]:
    app = FastAPI()
    handle_errors(app)

    @app.api_route("/v1/{path:path}", methods=["GET", "POST", "DELETE"], response_model=None)
    def answer() -> object:
        if not refusals.errors:
            return []
        refusal = refusals.errors.pop(0)
        if isinstance(refusal, Exception):
            raise refusal
        return refusal

    with serving(app) as url:
        yield url


def error(code: str) -> DualtrackError:
    kind = CLASS_OF_CODE[code]
    return JobFailed("why", code=code, final=True) if issubclass(kind, JobFailed) else kind("why", code=code)


@both
@pytest.mark.parametrize("code", sorted(CLASS_OF_CODE))
def test_an_error_comes_back_as_its_class(url: str, refusals: Refusals, code: str, get_models: Models) -> None:
    raised = error(code)
    refusals.errors[:] = [raised]
    with pytest.raises(DualtrackError) as caught:
        get_models(url, retry_s=0)
    received = (type(caught.value), caught.value.code, caught.value.detail)
    if status_of(type(raised), code) == INTERNAL:
        assert received[:2] == (DualtrackError, "internal")
    else:
        assert received == (type(raised), code, "why")


def test_a_code_of_a_newer_service_is_raised_as_its_status(url: str, refusals: Refusals) -> None:
    refusals.errors[:] = [RequestProblem(Problem(410, "made-up", "why"))]
    with Client(url, retry_s=0) as client, pytest.raises(Gone) as caught:
        client.models()
    assert caught.value.code == "made-up"


def plain(status: int, **headers: str) -> Response:
    return PlainTextResponse("no", status, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("refused", "slept"),
    [
        pytest.param([], [], id="no refusal"),
        pytest.param([Overloaded("full", retry_after_s=3)], [3.25], id="429: Retry-After and jitter"),
        pytest.param([Unavailable("gone", retry_after_s=2)] * 2, [2.25, 2.5], id="503 twice: jitter grows"),
        pytest.param([NewerFormat("newer")], [5.25], id="503 of another class"),
        pytest.param([plain(503)] * 5, [0.75, 1.5, 3, 6, 6], id="no Retry-After: delays double up to a limit"),
        pytest.param([plain(503, retry_after="soon")], [0.75], id="Retry-After that can't be read"),
    ],
)
@both
def test_a_refusal_that_can_pass_is_waited_for(
    url: str, refusals: Refusals, refused: list[Exception | Response], slept: list[float], get_models: Models
) -> None:
    refusals.errors[:] = refused
    hours = Hours()
    assert get_models(url, clock=hours.clock()) == []
    assert hours.slept == slept


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("Tue, 01 Dec 2026 00:00:07 GMT", 7, id="a later date"),
        pytest.param("Mon, 30 Nov 2026 00:00:00 GMT", 0, id="an earlier date"),
        pytest.param("1.5", None, id="neither seconds nor a date"),
    ],
)
def test_retry_after_as_a_date_counts_from_that_of_the_answer(value: str, seconds: int | None) -> None:
    headers = {"Date": "Tue, 01 Dec 2026 00:00:00 GMT", "Retry-After": value}
    assert retry_after_s(httpx.Response(503, headers=headers)) == seconds


def test_a_download_is_retried_too(url: str, refusals: Refusals, tmp_path: Path) -> None:
    refusals.errors[:] = [Overloaded("full", retry_after_s=3), Response(b"[]")]
    hours = Hours()
    with Client(url, clock=hours.clock()) as client:
        assert client.download("0" * 32, "ytvis", tmp_path / "y.json").read_bytes() == b"[]"
    assert hours.slept == [3.25]


@pytest.mark.parametrize(
    ("refusal", "slept"),
    [
        pytest.param(Unavailable("gone", retry_after_s=6), [6.0], id="until no try is left"),
        pytest.param(Unavailable("gone", retry_after_s=11), [], id="Retry-After beyond the client's time"),
        pytest.param(Unavailable("full", code="disk-full"), [], id="a status that is not retried"),
    ],
)
def test_retries_end(url: str, refusals: Refusals, refusal: Unavailable, slept: list[float]) -> None:
    refusals.errors[:] = [refusal] * 9
    hours = Hours()
    with Client(url, retry_s=10, clock=hours.clock(0.0)) as client, pytest.raises(Unavailable, match=refusal.detail):
        client.models()
    assert hours.slept == slept


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(plain(200), id="a page in place of a document"),
        pytest.param(plain(404), id="no such path"),
        pytest.param(plain(307, location="https://elsewhere/"), id="a redirect"),
    ],
)
def test_another_server_is_named_at_once(url: str, refusals: Refusals, answer: Response) -> None:
    refusals.errors[:] = [answer]
    hours = Hours()
    with Client(url, clock=hours.clock()) as client, pytest.raises(ConfigurationError) as caught:
        client.models()
    assert f"{url}/v1/models: expected" in caught.value.detail
    assert f"status {answer.status_code}" in caught.value.detail
    assert hours.slept == []


@pytest.fixture
def speaks_first() -> Iterator[int]:
    """The port of a server of another protocol, such as SSH, that greets every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1 << 16)
                connection.sendall(b"SSH-2.0-server\r\n\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


@both
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_another_protocol_is_named_at_once(speaks_first: int, scheme: str, get_models: Models) -> None:
    hours = Hours()
    address = f"{scheme}://127.0.0.1:{speaks_first}"
    with pytest.raises(ConfigurationError, match=f"{address}: expected"):
        get_models(address, clock=hours.clock())
    assert hours.slept == []


@both
def test_a_service_that_does_not_listen_is_waited_for(get_models: Models) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but it does not listen: connections are refused
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        hours = Hours()
        with pytest.raises(Unavailable, match=address) as caught:
            get_models(address, retry_s=10, clock=hours.clock())
    assert caught.value.code == "unreachable"
    assert hours.slept == [0.75, 1.5, 3, 4.75]


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1:8080", id="an IP address without a scheme"),
        pytest.param("localhost:8080", id="a name without a scheme"),
        pytest.param("ftp://localhost", id="another scheme"),
        pytest.param("http://", id="no host"),
        pytest.param("http://localhost:port", id="a port that is no number"),
        pytest.param("http://localhost:99999", id="a port that is too high"),
        pytest.param("http://localhost:0", id="port 0"),
    ],
)
def test_an_address_that_can_not_be_used(address: str) -> None:
    with pytest.raises(InvalidParameter, match="expected http://HOST:PORT") as caught:
        Client(address)
    assert repr(address) in caught.value.detail


def test_an_address_is_named_without_its_password() -> None:
    with pytest.raises(InvalidParameter) as caught:
        Client("http://me:s3cret@localhost:port")
    assert "s3cret" not in caught.value.detail


def test_a_key_that_no_header_can_hold() -> None:
    with pytest.raises(InvalidParameter, match="API key") as caught:
        Client(api_key="s3cret\n")
    assert "s3cret" not in caught.value.detail


@pytest.mark.parametrize("proxy", ["ftp://proxy:21", "http://proxy:port"])
def test_a_proxy_that_can_not_be_used(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigurationError) as caught:
        Client("http://127.0.0.1:8080")
    assert f"ALL_PROXY={proxy}" in caught.value.detail
    assert "http://127.0.0.1:8080" in caught.value.detail
