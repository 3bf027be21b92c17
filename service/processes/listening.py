"""Listening sockets: made before anything else starts, so that a wrong address or a port in use ends the start."""

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Sequence

from dualtrack.errors import ConfigurationError

BACKLOG = 2048
"""Connections that the kernel holds while no process accepts them, such as while the API restarts."""
ANYWHERE = "::"


def listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on every address of `host`; with port 0 on a free port. `::` includes IPv4.

    Raises:
        ConfigurationError: `host` is no address of this machine, or the port can't be used; one line.
    """
    opened: list[socket.socket] = []
    with contextlib.ExitStack() as undo:
        for family, address in _addresses(host):
            try:
                opened.append(undo.enter_context(_listening(family, address, port)))
            except OSError as error:
                # `localhost` may have an IPv6 address that the machine does not
                if error.errno == errno.EADDRNOTAVAIL and (opened or (family, address) != _addresses(host)[-1]):
                    continue
                raise _refusal(error, host, port) from error
            port = opened[0].getsockname()[1]
        undo.pop_all()
    return opened


def url_of(sockets: Sequence[socket.socket], host: str) -> str:
    """The URL by which this machine reaches the sockets on `host`."""
    if host in {"0.0.0.0", ""}:  # noqa: S104 (compared, not bound)
        host = "127.0.0.1"
    elif host == ANYWHERE:
        host = "::1"
    port = sockets[0].getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`.

    Example:
        >>> is_loopback("127.0.0.2"), is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"DUALTRACK_HOST: expected an address of this machine, got {host!r}: {error}"
        ) from error
    scoped = (f"{name[0]}%{name[3]}" if len(name) == 4 and name[3] else str(name[0]) for *_, name in found)
    return list(dict.fromkeys(zip((each[0] for each in found), scoped, strict=True)))


def _listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != ANYWHERE))
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _refusal(error: OSError, host: str, port: int) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"DUALTRACK_PORT: expected a free port on {host}, got {port}, on which another program listens"
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return ConfigurationError(f"DUALTRACK_PORT: expected a port that this user may open, got {port}")
    return ConfigurationError(
        f"DUALTRACK_HOST: expected an address of this machine, got {host!r}: {error.strerror or error}"
    )
