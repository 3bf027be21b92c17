"""Policies around a client."""

import asyncio

import numpy as np
import pytest

from dualtrack.errors import ContractViolation, InferenceError, InferenceTimeout, Unavailable
from service.inference.client import Tensors
from service.inference.policies import WithDeadline, WithLimit, WithRetry
from service.inference.specs import LITE, graph_specs
from tests.support.patience import PATIENCE_S

SPEC = graph_specs(LITE)["siamese_rpn"]


class Scripted:
    """Raises the given errors, one a call, then answers, or never; counts its calls."""

    def __init__(self, *errors: Exception, never: bool = False) -> None:
        self.errors, self.never = list(errors), never
        self.called = asyncio.Event()
        self.calls = self.running = self.most = 0
        self.closed = False

    async def infer(self, spec: object, inputs: object) -> Tensors:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        self.called.set()
        try:
            # others have their turn
            await asyncio.sleep(0)
            if self.never:
                await asyncio.Event().wait()
        finally:
            self.running -= 1
        if self.errors:
            raise self.errors.pop(0)
        return {"scores": np.ones(1, np.float32)}

    async def close(self) -> None:
        self.closed = True


def test_unavailable_is_tried_again() -> None:
    inner = Scripted(Unavailable("gone"), Unavailable("gone"))
    answer = asyncio.run(WithRetry(inner, tries=3, pause_s=0.001).infer(SPEC, {}))
    assert inner.calls == 3
    assert list(answer) == ["scores"]


def test_tries_end() -> None:
    inner = Scripted(*[Unavailable(f"gone {number}") for number in range(5)])
    with pytest.raises(Unavailable, match="gone 2"):
        asyncio.run(WithRetry(inner, tries=3, pause_s=0.001).infer(SPEC, {}))
    assert inner.calls == 3


@pytest.mark.parametrize("error", [InferenceError("failed"), InferenceTimeout("slow"), ContractViolation("wrong")])
def test_other_errors_are_not_tried_again(error: InferenceError) -> None:
    inner = Scripted(error)
    with pytest.raises(type(error)):
        asyncio.run(WithRetry(inner, tries=3, pause_s=0.001).infer(SPEC, {}))
    assert inner.calls == 1


def test_deadline() -> None:
    with pytest.raises(InferenceTimeout, match=r"siamese_rpn: no response within 0\.01 s"):
        asyncio.run(WithDeadline(Scripted(never=True), seconds=0.01).infer(SPEC, {}))
    assert asyncio.run(WithDeadline(Scripted(), seconds=PATIENCE_S).infer(SPEC, {}))


def test_a_canceled_caller_is_no_timeout() -> None:
    async def work() -> None:
        inner = Scripted(never=True)
        call = asyncio.create_task(WithDeadline(inner, seconds=PATIENCE_S).infer(SPEC, {}))
        await inner.called.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(work())


def test_limit_holds_and_is_given_back_after_errors() -> None:
    inner = Scripted(InferenceError("failed"))

    async def work() -> list[Tensors | BaseException]:
        client = WithLimit(inner, calls=2)
        return await asyncio.gather(*(client.infer(SPEC, {}) for _ in range(7)), return_exceptions=True)

    answers = asyncio.run(work())
    assert inner.most == 2
    assert inner.calls == 7
    assert sum(isinstance(answer, InferenceError) for answer in answers) == 1


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: WithRetry(inner, tries=2, pause_s=0.1),
        lambda inner: WithDeadline(inner, seconds=1),
        lambda inner: WithLimit(inner, calls=1),
    ],
)
def test_close_reaches_the_inner_client(wrap) -> None:
    inner = Scripted()
    asyncio.run(wrap(inner).close())
    assert inner.closed
