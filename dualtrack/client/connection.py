"""Connection to a service: validation of its address, and classification of transport errors."""

import re
import ssl
from typing import TypeVar
from urllib.request import getproxies

import httpx

from dualtrack.errors import ConfigurationError, DualtrackError, InvalidParameter, Unavailable

Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)
EXPECTED = "expected http://HOST:PORT or https://HOST:PORT"


def connect(kind: type[Http], base_url: str, api_key: str | None, timeout_s: float) -> Http:
    """Create an HTTP client of `kind` for the service; nothing is sent yet.

    Raises:
        InvalidParameter: the address or the API key is invalid.
        ConfigurationError: a proxy from the environment can't be used.
    """
    url = _checked_url(base_url)
    headers = {"Authorization": f"Bearer {_checked_key(api_key)}"} if api_key else {}
    try:
        return kind(base_url=url, headers=headers, timeout=timeout_s)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        proxies = {name: value for name, value in getproxies().items() if name in {"all", "http", "https"}}
        got = ", ".join(f"{name.upper()}_PROXY={_without_password(value)}" for name, value in sorted(proxies.items()))
        raise ConfigurationError(
            f"service {_without_password(base_url)}: proxy in the environment: {EXPECTED}, got {got}"
        ) from error


def failure(base_url: httpx.URL, error: httpx.TransportError) -> DualtrackError:
    """The error for a request without a response; `Unavailable` if another attempt may succeed."""
    address = _without_password(str(base_url).removesuffix("/"))
    reason = f"{type(error).__name__}: {error}"
    if _bad_tls(error):
        return ConfigurationError(f"service {address}: expected a server with TLS and a trusted certificate: {reason}")
    if isinstance(error, httpx.RemoteProtocolError) and str(error).startswith("illegal"):
        return ConfigurationError(f"service {address}: expected an HTTP server, got another protocol: {reason}")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return InvalidParameter(f"service {address}: the request can't be sent: {reason}")
    return Unavailable(f"service {address}: {reason}", code="unreachable", retry_after_s=1)


def _checked_url(given: str) -> httpx.URL:
    try:
        url = httpx.URL(given)
    except httpx.InvalidURL as error:
        raise InvalidParameter(f"service URL: {EXPECTED}, got {_without_password(given)!r}: {error}") from error
    port_fits = url.port is None or 0 < url.port < 1 << 16
    if url.scheme not in {"http", "https"} or not url.host or not port_fits:
        raise InvalidParameter(f"service URL: {EXPECTED}, got {_without_password(given)!r}")
    return url


def _checked_key(api_key: str) -> str:
    if not (api_key.isascii() and api_key.isprintable()):
        raise InvalidParameter("API key: expected only printable ASCII characters, got others, such as a line break")
    return api_key


def _bad_tls(error: BaseException) -> bool:
    """Whether the TLS handshake failed permanently; one that was interrupted may succeed the next time."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        cause = cause.__cause__ or cause.__context__
    return False


def _without_password(url: str) -> str:
    return re.sub(r"(?<=//)[^/@]*@", "", url)
