"""Where a request came from and under which address: what a trusted proxy says, and the path prefix of the settings."""

import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.proxies import Proxies

PREFIX = re.compile(r"(/[A-Za-z0-9._~\-]+)*")
"""A path prefix: no trailing slash, nothing that would need quoting in a link."""
AUTHORITY = re.compile(r"[A-Za-z0-9.\-_]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class ForwardedMiddleware:
    """Puts client, scheme, host and path prefix into the scope.

    Args:
        app: the next layer.
        trusted: addresses and networks of proxies; headers of others are ignored.
        root_path: path prefix under which the service is reached, unless a proxy names another one.
    """

    def __init__(self, app: ASGIApp, *, trusted: Iterable[str], root_path: str) -> None:
        self._app, self._root_path = app, root_path
        self._proxies = Proxies(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            scope["root_path"] = self._root_path
            peer = scope.get("client")
            if peer is not None and self._proxies.include(peer[0]):
                self._believe(scope, Headers(scope=scope))
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope, headers: Headers) -> None:
        hops = _values(headers, "x-forwarded-for")
        # from the right: what is left of the first hop that is no proxy of ours may be invented
        if client := next((hop for hop in reversed(hops) if not self._proxies.include(hop)), next(iter(hops), "")):
            scope["client"] = (client[:64], 0)
        if (scheme := _last(headers, "x-forwarded-proto")) in {"http", "https"}:
            scope["scheme"] = scheme
        if AUTHORITY.fullmatch(host := _last(headers, "x-forwarded-host")):
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [*others, (b"host", host.encode())]
        prefix = _last(headers, "x-forwarded-prefix").rstrip("/")
        if prefix and PREFIX.fullmatch(prefix):
            scope["root_path"] = prefix


def path_of(scope: Scope) -> str:
    """The path as the client sees it, whether a proxy has removed the prefix or not."""
    return with_prefix(scope, str(scope.get("path", "")))


def with_prefix(scope: Scope, path: str) -> str:
    """A path of this service below the prefix of the request."""
    root = str(scope.get("root_path", ""))
    return path if not root or path == root or path.startswith(f"{root}/") else root + path


def _values(headers: Headers, name: str) -> list[str]:
    return [value for line in headers.getlist(name) for each in line.split(",") if (value := each.strip())]


def _last(headers: Headers, name: str) -> str:
    return next(reversed(_values(headers, name)), "")
