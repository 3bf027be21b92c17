"""Connections without a header: of each client the oldest goes when there are too many."""

import pytest

from service.api.proxies import Proxies, client_key
from service.api.server.waiting import Waiting


class Connection:
    def __init__(self, waiting: Waiting, client: str) -> None:
        self._waiting, self._client = waiting, client
        self.dropped = False
        waiting.add(client, self)

    def drop(self) -> None:
        self.dropped = True
        self._waiting.remove(self._client, self)


def test_the_oldest_silent_connection_of_a_client_goes() -> None:
    now = 0.0
    waiting = Waiting(most=3, young_s=1.0, clock=lambda: now)
    burst = [Connection(waiting, "a") for _ in range(10)]
    assert not [each for each in burst if each.dropped], "opened at once: their headers are on their way"
    now = 2.0
    other = Connection(waiting, "b")
    late = [Connection(waiting, "a") for _ in range(4)]
    assert [each.dropped for each in burst] == [True] * 4 + [False] * 6
    assert not [each for each in (other, *late) if each.dropped]
    for each in burst[4:]:
        waiting.remove("a", each)
    assert waiting.count("a") == 4


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_what_one_client_is(host: str, key: str) -> None:
    assert client_key(host) == key


@pytest.mark.parametrize(
    ("host", "included"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("", False),
        ("x", False),
    ],
)
def test_what_a_proxy_is(host: str, included: bool) -> None:
    assert Proxies(["10.0.0.0/8", "192.0.2.7"]).include(host) == included
