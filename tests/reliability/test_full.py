"""A disk and a state server without room: what needs room is refused and can be tried again, the rest goes on."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.state.job import MOST_PARAMETER_BYTES
from tests.integration.api.api_service import problem
from tests.reliability.following import Desk, desk, scene, since
from tests.reliability.service_processes import Service, serving

pytestmark = pytest.mark.reliability

DISK_BYTES = 24 << 20
RAW = {"Content-Type": "video/mp4"}
NAMESPACE = ("unshare", "--map-root-user", "--mount")
"""A place where everybody may mount."""


@contextmanager
def small_disk(folder: Path, **settings: object) -> Iterator[Service]:
    """A service whose data directory is a disk of its own, which only its processes see."""
    mount = 'mount -t tmpfs -o "size=$0" tmpfs "$1" && cd "$1" && shift && exec "$@"'
    prefix = (*NAMESPACE, "sh", "-c", mount, str(DISK_BYTES), str(folder))
    with serving(folder, prefix=prefix, **settings) as service:
        # its own view of the same folder
        service.folder = Path(f"/proc/{service.process.pid}/root{folder}")
        yield service


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Nothing more fits on the disk of the folder."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    try:
        yield
    finally:
        filler.unlink()


def can_mount() -> bool:
    command = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def parts(service: Service) -> list[Path]:
    """Files that are not whole."""
    return [path for path in service.folder.rglob("*") if path.suffix == ".part"]


@pytest.mark.skipif(not can_mount(), reason="needs user namespaces in which a disk can be mounted")
def test_a_full_disk(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with small_disk(folder, min_free_bytes=0, max_attempts=1000) as service, desk(service) as at:
        clip = scene(tmp_path / "a.mp4")
        video = at.upload(clip)
        before = at.counts()
        path = at.submit(clip)
        at.until_it_works(path)
        with full(service.folder):
            content = scene(tmp_path / "b.mp4", shift=1).read_bytes()
            answer = at.caller.once("POST", "/v1/videos", content=content * 8, headers=RAW)
            assert answer is not None
            problem(answer, 507, "disk-full")
            assert parts(service) == []
            for target in (f"/v1/videos/{video}", path, "/livez"):
                assert at.caller.call("GET", target).status_code == 200
            at.until_logged("attempt failed")
            assert at.results(path) == set()
        job = at.until_it_ends(path)
        assert job["state"] == "done"
        assert at.results(path) == {str(job["attempt"])}
        assert since(before, at.counts())["jobs:done"] == 1
        assert at.caller.call("POST", "/v1/videos", content=content, headers=RAW).status_code == 201
        assert at.until_it_ends(at.submit(tmp_path / "b.mp4"))["state"] == "done"
        assert parts(service) == []


def test_less_room_than_is_kept_free(tmp_path: Path) -> None:
    with serving(tmp_path / "data", min_free_bytes=1 << 60, workers=0) as service, desk(service) as at:
        content = scene(tmp_path / "a.mp4").read_bytes()
        for request in (
            lambda: at.caller.once("POST", "/v1/videos", content=content, headers=RAW),
            lambda: at.caller.once("POST", "/v1/jobs", files={"file": ("a.mp4", content)}),
        ):
            answer = request()
            assert answer is not None
            problem(answer, 507, "disk-full")
        assert parts(service) == []


def test_a_full_state_server(tmp_path: Path) -> None:
    # without a worker: every job that is accepted stays
    with serving(tmp_path / "data", workers=1, max_queue=100_000) as service, desk(service) as at:
        first = at.submit(scene(tmp_path / "a.mp4", 600))
        at.until_it_works(first)
        video, doomed = (at.upload(scene(tmp_path / f"{shift}.mp4", 4, shift=shift)) for shift in (1, 2))
        waiting = [create(at, video).headers["location"] for _ in range(3)]
        with service.redis() as redis:
            redis.config_set("maxmemory", redis.info("memory")["used_memory"] + (1 << 20))
            made = 0
            while (answer := create(at, doomed)).status_code == 202:
                made += 1
            problem(answer, 503, "state-full")
            assert made > 10
            # what ends jobs and makes room goes on
            assert at.until_it_ends(first)["state"] == "done"
            canceled = at.caller.call("DELETE", waiting[0])
            assert canceled.json()["state"] in {"canceled", "running", "done"}
            assert at.caller.call("DELETE", f"/v1/videos/{doomed}").status_code == 204
            assert create(at, video).status_code == 202
            redis.config_set("maxmemory", 0)
        for path in waiting[1:]:
            assert at.until_it_ends(path)["state"] == "done"


def create(at: Desk, video: str) -> httpx.Response:
    """One try to create a job whose parameters take as much room as they may."""
    names = [{"id": number, "name": f"{number:0190}"} for number in range(MOST_PARAMETER_BYTES // 240)]
    large = {"overlay": False, "categories": [{"id": 1000, "name": "person"}, *names]}
    answer = at.caller.once("POST", "/v1/jobs", json={"video_id": video, "parameters": large})
    assert answer is not None
    return answer
