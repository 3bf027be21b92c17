"""Ctrl-C: `segment` keeps what is done, `submit` leaves the job to the service, and both say so."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dualtrack.children import python_command
from service.state.job import Job, JobState
from service.state.jobs import JobStore
from tests.integration.api.api_service import clip, running
from tests.support.patience import PATIENCE_S, wait_for


@contextmanager
def command(folder: Path, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command that is under way, in a process group of its own; its standard error goes to `folder`/stderr."""
    environment = {**os.environ, "DUALTRACK_DATA_DIR": str(folder / "data")}
    # a command inherits a signal that is ignored, and what started the tests may ignore this one, such as a shell's `&`
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            python_command("service.cli.main", *words),
            cwd=folder,
            env=environment,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
        )
        signal.signal(signal.SIGINT, before)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def press_ctrl_c(process: "subprocess.Popen[bytes]") -> int:
    """What a terminal does: the signal goes to the command and to all of its children. Returns the exit code."""
    os.killpg(process.pid, signal.SIGINT)
    return process.wait(PATIENCE_S)


def said(folder: Path) -> str:
    return (folder / "stderr").read_text()


def test_segment_keeps_its_cache_and_says_how_to_resume(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=40, size=(128, 96))
    cache = tmp_path / "data/cache"
    with command(tmp_path, "segment", str(path)) as process:
        wait_for(lambda: process.poll() is not None or any(cache.rglob("*")))
        assert press_ctrl_c(process) == 130
    assert "Interrupted. Finished work is cached: run the same command again to resume." in said(tmp_path)
    assert "Traceback" not in said(tmp_path)
    assert any(file.is_file() for file in cache.rglob("*"))
    assert not (tmp_path / "a.mp4-tubelets/tubelets.json").exists()


def test_submit_names_the_job_first_and_leaves_it_to_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip(tmp_path / "a.mp4")
    waited_for: list[str] = []
    wait = JobStore.wait

    async def noted(store: JobStore, job_id: str, *arguments: Any, **more: Any) -> Job:
        waited_for.append(job_id)
        return await wait(store, job_id, *arguments, **more)

    monkeypatch.setattr(JobStore, "wait", noted)
    with running(tmp_path / "service") as api:
        with command(tmp_path, "submit", str(path), "--url", api.url) as process:
            # the command waits for the end of the job: it has printed what it prints first
            wait_for(lambda: process.poll() is not None or waited_for)
            assert press_ctrl_c(process) == 130
        found = re.search(rf"Job (\w+): {re.escape(api.url)}/v1/jobs/\1\n", said(tmp_path))
        assert found is not None, said(tmp_path)
        assert found[1] == waited_for[0]
        cancel = f"Interrupted. The job continues; to cancel it: curl -X DELETE {api.url}/v1/jobs/{found[1]}"
        assert cancel in said(tmp_path)
        assert "Traceback" not in said(tmp_path)
        assert api.act(lambda parts: parts.jobs.get(found[1])).state is JobState.QUEUED
