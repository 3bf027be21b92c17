"""What of a child's end is the file's fault, and final, and what is the machine's."""

import asyncio
import itertools
import json
import os
import resource
import signal
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from dualtrack.children import python_command
from dualtrack.cpu_time import own_s
from dualtrack.errors import InvalidVideo, Unavailable
from evaluation.bench.meters.processes import children
from service.media.children import guard
from service.media.children.guard import run_child
from service.media.decode import decode
from service.media.limits import VideoLimits
from service.media.probe import probe
from tests.support.clips import plain
from tests.support.patience import PATIENCE_S, wait_for

LIMITS = VideoLimits()


def follow(script: str, *, wall_s: float = PATIENCE_S, cpu_s: int = 60) -> object:
    """The answer of a child that follows a script."""
    job = {"script": script, "memory_bytes": 1 << 30, "cpu_s": cpu_s}
    return asyncio.run(run_child("tests.unit.media.scripted_child", job, wall_s=wall_s))


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGUSR1"])
def test_a_child_that_is_killed_from_outside_is_not_the_files_fault(name: str) -> None:
    with pytest.raises(Unavailable, match=f"exited at frame 7 without a result .killed by {name}"):
        follow(name)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP"])
def test_what_a_file_does_to_its_decoder_is_final(name: str) -> None:
    with pytest.raises(InvalidVideo, match=f"exited at frame 7 without a result .killed by {name}") as died:
        follow(name)
    assert died.value.code == "decode-failed"


def test_a_decoder_that_is_killed_names_its_frame_and_leaves_nothing(tmp_path: Path) -> None:
    frames = 300  # more than a second's work: the signal comes in the middle, however busy the machine is
    path = plain(tmp_path / "v.mp4", frames, hw=(720, 1280))
    seen: list[int] = []

    def kill_at_7(done: int) -> None:
        seen.append(done)
        if done == 7:
            for pid in children():
                os.kill(pid, signal.SIGKILL)

    async def work() -> None:
        info = await probe(path, LIMITS)
        await decode(path, info, LIMITS, network_hw=(288, 384), directory=tmp_path / "f", on_frame=kill_at_7)

    with pytest.raises(Unavailable) as died:
        asyncio.run(work())
    # what was on its way when the signal came counts, too
    assert 7 <= seen[-1] < frames
    assert died.value.detail == f"video: the decoder exited at frame {seen[-1]} without a result (killed by SIGKILL)"
    assert not list((tmp_path / "f").iterdir())


def test_a_child_that_exceeds_its_processor_time_is_stopped_for_good() -> None:
    with pytest.raises(InvalidVideo, match="needed more than 1 s of processor time") as stopped:
        follow("spin", cpu_s=1)
    assert stopped.value.code == "timeout"


def test_a_child_that_computes_without_a_message_is_stuck_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    first = True

    def once_it_had_its_turn(pid: int) -> float:
        nonlocal first
        if not first:
            wait_for(lambda: own_s(pid) > 0.8 * guard.BUSY_SHARE)
        first = False
        return own_s(pid)

    monkeypatch.setattr(guard, "own_s", once_it_had_its_turn)
    with pytest.raises(InvalidVideo, match=r"no response from the decoder within 0.8 s") as stuck:
        follow("spin", wall_s=0.8)
    assert stuck.value.code == "timeout"


def test_a_child_that_gets_no_processor_time_is_not_the_files_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    # however long it takes to start
    monkeypatch.setattr(guard, "MOST_WAITS", 1000)
    with pytest.raises(Unavailable, match="got no processor time within 1 s"):
        follow("wait", wall_s=1.0)


def test_a_child_that_waits_for_its_turn_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets a little processor time now and then, so that its answer takes many times `wall_s`."""
    looks = itertools.count()
    monkeypatch.setattr(guard, "own_s", lambda _: next(looks) / 1e6)
    monkeypatch.setattr(guard, "MOST_WAITS", 100_000)
    assert follow("hold", wall_s=0.01)
    assert next(looks) > 3


def test_one_that_hardly_gets_any_is_given_up_but_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr(guard, "own_s", lambda _: next(ticks) / 1000)
    monkeypatch.setattr(guard, "MOST_WAITS", 3)
    with pytest.raises(Unavailable, match="machine is too busy: no response from the decoder within 3 s"):
        follow("wait", wall_s=1.0)


@pytest.mark.parametrize("job", [{"script": "hold", "memory_bytes": 1 << 30, "cpu_s": 60}, None])
def test_a_child_whose_parent_ended_before_it_began_ends_without_a_traceback(job: dict[str, object] | None) -> None:
    """As on Ctrl-C while it starts: there is no job, or nobody reads what it sends."""
    reader, output = os.pipe()
    os.close(reader)
    with os.fdopen(output, "w") as nobody:
        done = subprocess.run(
            python_command("tests.unit.media.scripted_child"),
            input="" if job is None else f"{json.dumps(job)}\n",
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")


def probe_job(path: Path) -> dict[str, object]:
    return {"path": str(path), "limits": asdict(LIMITS), "memory_bytes": 1 << 30, "cpu_s": 15}


def test_a_disk_that_fails_is_not_the_files_fault(tmp_path: Path) -> None:
    job = {**probe_job(plain(tmp_path / "v.mp4", 3)), "network_hw": [96, 128], "file_bytes": 1 << 30}
    with pytest.raises(Unavailable, match=r"disk: .*No such file") as failed:
        asyncio.run(
            run_child("service.media.children.decode", {**job, "out": str(tmp_path / "gone")}, wall_s=PATIENCE_S)
        )
    assert failed.value.code == "unavailable"


def test_a_child_that_can_not_be_started_is_not_the_files_fault() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def out_of_files() -> None:
        # the loop has its own; none are left for the pipes
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), hard))
        try:
            await run_child("tests.unit.media.scripted_child", {"script": "hold"}, wall_s=PATIENCE_S)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    with pytest.raises(Unavailable, match=r"can't be started: .*Too many open files"):
        asyncio.run(out_of_files())


def test_a_child_that_dies_before_it_has_begun_is_not_the_files_fault(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"exited without a result .exit code 1"):
        asyncio.run(run_child("service.media.children.no_such_module", probe_job(tmp_path), wall_s=PATIENCE_S))
