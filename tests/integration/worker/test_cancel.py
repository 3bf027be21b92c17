"""A canceled job ends within one step of whatever stage it is in; a failed overlay leaves the result."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualtrack import protocol
from dualtrack.digest import sha256_of
from evaluation.bench.meters.processes import kill_children
from service.inference.fake.detector import PALETTE
from service.media.limits import VideoLimits
from service.pipeline.networks import Networks
from service.worker.engine_main import Cancels, JobEngine, Reporter
from tests.support.annotated import context, write_video
from tests.support.results import document_in
from tests.support.scenes import Rectangle

FRAMES = 6
PERSON = Rectangle(PALETTE[0], 20, 20, 40, 60, step_xy=(5, 2))


class Counting:
    """A client that counts its calls."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.calls, self.runtime = inner, 0, inner.runtime

    async def infer(self, spec: Any, inputs: Any) -> Any:
        self.calls += 1
        return await self.inner.infer(spec, inputs)


@pytest.mark.parametrize(
    ("stage", "calls_of_a_step"), [("decode", 0), ("detect", 1), ("calibrate", 0), ("track", 2), ("render", 0)]
)
def test_nothing_is_done_after_the_step_under_way(stage: str, calls_of_a_step: int, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [PERSON], FRAMES)
    opened = context(tmp_path / "scratch")
    client = Counting(opened.networks.client)
    cancels = Cancels()
    sent: list[protocol.EngineMessage] = []
    calls_before = 0

    def send(message: protocol.EngineMessage) -> None:
        nonlocal calls_before
        sent.append(message)
        if isinstance(message, protocol.Step) and message.stage == stage and message.run not in cancels:
            cancels.add(message.run)
            calls_before = client.calls

    counted, patient = Networks(client, opened.networks.manifest), VideoLimits(wall_s=120)
    engine = JobEngine(replace(opened, networks=counted, limits=patient), Reporter(send), cancels)
    video, out = tmp_path / "a.mp4", tmp_path / "out"
    job = {"video": str(video), "sha256": sha256_of(video), "out": str(out), "parameters": {}, "overlay": True}
    asyncio.run(engine.run(protocol.Do(1, job)))
    *steps, last = sent
    assert isinstance(last, protocol.Failed)
    assert last.code == "canceled"
    stages = [step.stage for step in steps if isinstance(step, protocol.Step)]
    assert stages.count(stage) == 1
    assert stages[-1] == stage
    assert len(stages) == len(steps)
    # two references of a seed come before the first step of its round
    assert client.calls - calls_before <= max(calls_of_a_step, 2 if stage == "calibrate" else 0)
    assert not list((tmp_path / "scratch").iterdir())


def test_a_child_that_is_killed_while_it_draws_leaves_the_result(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [PERSON], FRAMES)
    sent: list[protocol.EngineMessage] = []

    def send(message: protocol.EngineMessage) -> None:
        sent.append(message)
        if isinstance(message, protocol.Step) and message.stage == "render":
            kill_children()

    opened = replace(context(tmp_path / "scratch"), limits=VideoLimits(wall_s=120))
    video, out = tmp_path / "a.mp4", tmp_path / "out"
    job = {"video": str(video), "sha256": sha256_of(video), "out": str(out), "parameters": {}}
    asyncio.run(JobEngine(opened, Reporter(send), Cancels()).run(protocol.Do(1, {**job, "overlay": True})))
    last = sent[-1]
    assert isinstance(last, protocol.Failed)
    assert (last.code, last.final) == ("overlay-failed", True)
    assert last.detail.endswith("without a result (killed by SIGKILL)")
    assert {path.name for path in out.iterdir()} == {"result.jsonl", "ytvis.json"}
    assert document_in(out)["video"]["frames"] == FRAMES
    # a worker's engine draws nothing
    asyncio.run(JobEngine(opened, Reporter(send), Cancels()).run(protocol.Do(2, job)))
    assert isinstance(sent[-1], protocol.Done)
