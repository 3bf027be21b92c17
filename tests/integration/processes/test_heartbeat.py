"""Something done again and again around a block."""

import asyncio
import contextlib

import pytest

from service.processes.heartbeat import heartbeat
from tests.support.patience import PATIENCE_S


def test_it_acts_at_once_and_again_while_the_block_runs() -> None:
    acts = 0
    often = asyncio.Event()

    async def act() -> None:
        nonlocal acts
        acts += 1
        if acts == 4:
            often.set()

    async def main() -> int:
        async with heartbeat(act, 0.01):
            await often.wait()
        at_the_end = acts
        # a few of its intervals: what went on would show
        await asyncio.sleep(0.05)
        return at_the_end

    at_the_end = asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
    assert acts == at_the_end


def test_an_act_that_drops_the_cancel_does_not_hold_the_block() -> None:
    entered = asyncio.Event()

    async def act() -> None:
        entered.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def main() -> None:
        async with heartbeat(act, 0.01):
            await entered.wait()

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


def test_a_cancel_from_outside_comes_out_as_a_cancel() -> None:
    entered = asyncio.Event()

    async def act() -> None:
        pass

    async def main() -> None:
        async with heartbeat(act, 0.01):
            entered.set()
            await asyncio.Event().wait()

    async def outer() -> None:
        task = asyncio.create_task(main())
        await entered.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(outer())
