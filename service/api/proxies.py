"""Addresses of clients: which are proxies that speak for many, and what counts as one client."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The proxies that the settings name.

    Args:
        networks: addresses and networks.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(each) for each in networks]

    def include(self, host: str) -> bool:
        """Whether `host` is the address of one."""
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)


def client_key(host: str) -> str:
    """What counts as one client: an IPv4 address, or the network of an IPv6 address, which belongs to one customer.

    Example:
        >>> client_key("10.0.0.7"), client_key("2001:db8::1:2"), client_key("::ffff:10.0.0.7")
        ('10.0.0.7', '2001:db8::/64', '10.0.0.7')
    """
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host if address is None else str(address)


def _address(host: str) -> Address | None:
    """An IPv4 address that arrived on an IPv6 socket is an IPv4 address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
