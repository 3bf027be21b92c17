"""How tests wait: for a condition, for as long as it takes."""

import functools
import time
from collections.abc import Callable

import httpx

PATIENCE_S = 600.0
"""Ends a test that hangs; less than pytest's own limit, so that the test says what it waited for. Nothing takes this
long, even where other programs keep every core busy."""


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Wait until `condition` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.02)


# httpx gives up after 5 s otherwise
get = functools.partial(httpx.get, timeout=PATIENCE_S)
post = functools.partial(httpx.post, timeout=PATIENCE_S)
