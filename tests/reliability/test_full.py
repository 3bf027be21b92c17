"""A disk and a state server without room: what needs room is refused and can be tried again, the rest goes on."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.state.job import MOST_PARAMETER_BYTES
from tests.integration.api.api_service import problem, wait_for
from tests.reliability.following import Desk, desk, scene
from tests.reliability.responses import PATIENCE_S
from tests.reliability.service_processes import Service, serving

pytestmark = pytest.mark.reliability

DISK_BYTES = 24 << 20
RAW = {"Content-Type": "video/mp4"}
NAMESPACE = ("unshare", "--map-root-user", "--mount")
"""A place where everybody may mount."""


MOUNT = (
    'mount -t tmpfs -o "size=$0" tmpfs "$1" && cd "$1" && mkdir -p "$2" && ln -s "$2" valkey && shift 2 && exec "$@"'
)


@contextmanager
def small_disk(folder: Path, valkey: str, **settings: object) -> Iterator[Service]:
    """A service whose data directory is a disk of its own, which only its processes see.

    Args:
        folder: where the disk is mounted.
        valkey: folder of Valkey, as seen from the disk.
        settings: of the service.
    """
    prefix = (*NAMESPACE, "sh", "-c", MOUNT, str(DISK_BYTES), str(folder), valkey)
    with serving(folder, prefix=prefix, min_free_bytes=0, **settings) as service:
        service.root = f"/proc/{service.process.pid}/root"
        service.folder = Path(f"{service.root}{folder}")
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


def mount_error() -> str:
    """Why no disk can be mounted here; empty if one can."""
    command = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


NO_DISK = mount_error()
needs_disk = pytest.mark.skipif(
    bool(NO_DISK), reason=f"needs a user namespace in which a disk can be mounted: {NO_DISK}"
)


def parts(service: Service) -> list[Path]:
    """Files that are not whole."""
    return [path for path in service.folder.rglob("*") if path.suffix == ".part"]


@needs_disk
def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", str(tmp_path / "elsewhere")) as service, desk(service) as at:
        clip, other = scene(tmp_path / "a.mp4", 8), scene(tmp_path / "b.mp4", 8, shift=1).read_bytes() * 50
        at.upload(clip)
        with full(service.folder):
            for method, target, options in (
                ("POST", "/v1/videos", {"content": other, "headers": RAW}),
                ("POST", "/v1/videos", {"files": {"file": ("b.mp4", other)}}),
                ("POST", "/v1/jobs", {"files": {"file": ("b.mp4", other)}}),
            ):
                answer = at.caller.once(method, target, **options)
                assert answer is not None
                problem(answer, 507, "disk-full")
            path = create(at, at.video_id(clip)).headers["location"]
            job = at.until_it_ends(path)
            assert (job["state"], job["attempt"], job["error"]["code"]) == ("failed", 3, "too-many-attempts")
            assert "disk-full" in job["error"]["detail"]
            assert at.results(path) == set()
            assert parts(service) == []
        assert at.counts() == {"jobs:failed": 1, "failures:service:disk-full": 3}
        for shift in (0, 1):
            assert at.until_it_ends(at.submit(scene(tmp_path / "c.mp4", 8, shift=shift)))["state"] == "done"
        assert parts(service) == []


@needs_disk
def test_a_full_disk_that_the_state_server_is_on(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with small_disk(tmp_path / "data", "state") as service, desk(service) as at:
        clip = scene(tmp_path / "a.mp4", 4)
        first = at.submit(clip)
        assert at.until_it_ends(first)["state"] == "done"
        with full(service.folder):
            wait_for(lambda: create(at, at.video_id(clip)).status_code == 503, PATIENCE_S)
            for target in (first, f"{first}/result", "/livez"):
                assert at.caller.call("GET", target).status_code == 200
        assert at.until_it_ends(at.submit(clip))["state"] == "done"


def test_a_full_state_server(tmp_path: Path) -> None:
    with serving(tmp_path / "data", max_queue=100_000) as service, desk(service) as at:
        first = at.submit(scene(tmp_path / "a.mp4"))
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
            # what ends jobs goes on
            assert at.until_it_ends(first)["state"] == "done"
            canceled = at.caller.call("DELETE", waiting[0])
            assert canceled.json()["state"] in {"canceled", "running", "done"}
            assert at.caller.call("DELETE", f"/v1/videos/{doomed}").status_code == 204
            redis.config_set("maxmemory", 0)
        waiting.append(create(at, video).headers["location"])
        for path in waiting[1:]:
            assert at.until_it_ends(path)["state"] == "done"


def create(at: Desk, video: str) -> httpx.Response:
    """One try to create a job whose parameters take as much room as they may."""
    names = [{"id": number, "name": f"{number:0190}"} for number in range(MOST_PARAMETER_BYTES // 240)]
    large = {"overlay": False, "categories": [{"id": 1000, "name": "person"}, *names]}
    answer = at.caller.once("POST", "/v1/jobs", json={"video_id": video, "parameters": large})
    assert answer is not None
    return answer
