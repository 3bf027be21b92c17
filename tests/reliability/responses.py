"""What holds for every response of the API, whatever happens to the service, and a client that checks it."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

PATIENCE_S = 300.0
"""Ends a test that hangs; nothing is measured by it."""
PAUSE_S = 0.1
PROBLEM = "application/problem+json"
RETRIED = frozenset({429, 503, 507})
NEVER = frozenset({500, 502})


def complaint(status: int, headers: httpx.Headers) -> str | None:
    """What is wrong with a response whatever the request was."""
    kind = headers.get("content-type", "").partition(";")[0]
    if status in NEVER:
        return f"status {status}"
    if status >= 400 and kind != PROBLEM:
        return f"status {status} as {kind or 'nothing'}"
    if status in RETRIED and not headers.get("retry-after", "").isdecimal():
        return f"status {status} without Retry-After"
    return None


@dataclass
class Responses:
    """All responses that came: how many of each status, and those that are wrong."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    broken: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, request: str, status: int, headers: httpx.Headers) -> None:
        with self._lock:
            self.statuses[status] += 1
            if found := complaint(status, headers):
                self.wrong.append(f"{request}: {found}")

    def broke(self) -> None:
        """A connection broke before its response."""
        with self._lock:
            self.broken += 1


@dataclass
class Caller:
    """A client that repeats a request until it gets a response other than 429, 503 and 507.

    Attributes:
        url: of the service.
        responses: every response is noted here.
        unsure: requests of which it is not known whether they were carried out: the connection broke, or the state
            server was lost in the middle.
    """

    url: str
    responses: Responses
    unsure: int = 0

    def __post_init__(self) -> None:
        # several addresses of one service would share a connection that a killed process left behind
        self._http = httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def once(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """One try; None if the connection broke."""
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError:
            self.unsure += 1
            self.responses.broke()
            return None
        self.unsure += answer.status_code == 503
        self.responses.note(f"{method} {path}", answer.status_code, answer.headers)
        return answer

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The first response other than 429, 503 and 507."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self.once(method, path, **options)
            if answer is not None and answer.status_code not in RETRIED:
                return answer
            assert time.monotonic() < deadline, f"{method} {path}: no response but {answer}"
            time.sleep(PAUSE_S)
