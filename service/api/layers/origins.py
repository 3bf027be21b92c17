"""Which names and pages may use a service that has no key: the browser of its own user reaches it, too.

A page of a foreign site can make a browser send requests: to a name of its own that resolves to this machine (DNS
rebinding), whose answers it can then read, or a form to the real address, which starts jobs. Neither can send a key, so
a service with a key checks only the names that it was given.
"""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from dualtrack.errors import InvalidInput
from service.api import problems

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
ANY = "*"
LOCAL_NAME = re.compile(r"[a-z0-9_-]+")


class OriginMiddleware:
    """Refuses requests under a foreign name with 421, and changes that a page of another origin requests with 403.

    Args:
        app: the next layer.
        hosts: names under which the service is reached, besides addresses and local names; `*` for all.
        origins: of pages that may use the service from elsewhere (CORS); `*` for all.
        has_key: whether requests need a key.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], origins: Collection[str], has_key: bool) -> None:
        self._app, self._has_key = app, has_key
        self._hosts = frozenset(host.lower().rstrip(".") for host in hosts)
        self._origins = frozenset(origin.lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refusal = self._refusal(scope["method"], Headers(scope=scope)) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await problems.response(problems.of_error(refusal), scope)(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> InvalidInput | None:
        host = headers.get("host", "")
        if not self._is_own(host):
            return InvalidInput(
                f"Host: expected an address, a local name or a name in DUALTRACK_ALLOWED_HOSTS, got {host[:100]!r}",
                code="misdirected-request",
            )
        if method not in SAFE_METHODS and not self._has_key and not self._is_same_origin(headers, host):
            got = headers.get("origin", f"a request from another site to {host}")
            return InvalidInput(
                f"Origin: expected a page of this service or an origin in DUALTRACK_CORS_ORIGINS, got {got[:100]!r}",
                code="foreign-origin",
            )
        return None

    def _is_own(self, host: str) -> bool:
        name = _name(host)
        if not host or ANY in self._hosts or name in self._hosts:
            return True
        if self._has_key and not self._hosts:
            return True
        # a name without a dot is of the local network, such as a container's; nobody can register one
        return _is_address(name) or LOCAL_NAME.fullmatch(name) is not None or name.endswith(".localhost")

    def _is_same_origin(self, headers: Headers, host: str) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
        if ANY in self._origins or origin.lower() in self._origins:
            return True
        # without the scheme: a proxy may have ended TLS
        return _authority(origin) == host.lower()


def _name(host: str) -> str:
    """The name without the port."""
    return re.sub(r":\d*$", "", host).lower().rstrip(".").removeprefix("[").removesuffix("]")


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
