"""Deprecated parameters in Python: a warning at the caller's line, before anything else happens."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dualtrack
from service.cli.parameters import warned_already

OLD: dict[str, Any] = {"overlay_min_score": 0.3}
LINE = "overlay_min_score is deprecated, use min_score; the next release will reject it"
URL = "http://127.0.0.1:9"


def by_engine(**parameters: Any) -> None:
    with dualtrack.Engine() as engine:
        engine.segment("missing.mp4", **parameters)


def by_client(**parameters: Any) -> None:
    with dualtrack.Client(URL) as client:
        client.submit("missing.mp4", **parameters)


def by_async_client(**parameters: Any) -> None:
    async def submit() -> None:
        async with dualtrack.AsyncClient(URL) as client:
            await client.submit("missing.mp4", **parameters)

    asyncio.run(submit())


CALLS: list[Any] = [
    pytest.param(lambda **given: dualtrack.segment("missing.mp4", **given), id="segment"),
    pytest.param(by_engine, id="Engine"),
    pytest.param(by_client, id="Client"),
    pytest.param(by_async_client, id="AsyncClient"),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_deprecated_parameter(call: Callable[..., None]) -> None:
    with pytest.warns(DeprecationWarning, match="min_score") as caught, pytest.raises(dualtrack.InvalidVideo):
        call(**OLD)
    assert [(str(each.message), Path(each.filename)) for each in caught] == [(LINE, Path(__file__))]


@pytest.mark.parametrize("call", CALLS)
def test_the_command_line_has_warned_already(call: Callable[..., None]) -> None:
    with warned_already(), pytest.raises(dualtrack.InvalidVideo):
        call(**OLD)


@pytest.mark.parametrize("call", CALLS)
def test_no_deprecated_parameter(call: Callable[..., None]) -> None:
    with pytest.raises(dualtrack.InvalidVideo):
        call(min_score=0.3)
