"""One client that creates single jobs and follows each to a moment, and what the state counted meanwhile."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.inference.fake.detector import PALETTE
from service.state import redis_keys
from service.state.job import TERMINAL
from tests.integration.api.api_service import wait_for
from tests.reliability.responses import PATIENCE_S, PAUSE_S, Caller, Responses
from tests.reliability.service_processes import Service
from tests.support.annotated import write_video
from tests.support.scenes import Rectangle

Job = dict[str, Any]


@dataclass
class Desk:
    """A client of a service."""

    service: Service
    caller: Caller

    def upload(self, clip: Path) -> str:
        answer = self.caller.call(
            "POST", "/v1/videos", content=clip.read_bytes(), headers={"Content-Type": "video/mp4"}
        )
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["id"])

    def video_id(self, clip: Path) -> str:
        return hashlib.sha256(clip.read_bytes()).hexdigest()

    def submit(self, clip: Path, **parameters: Any) -> str:
        """The path of a new job."""
        body = {"video_id": self.upload(clip), "parameters": {"overlay": False, **parameters}}
        answer = self.caller.call("POST", "/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.headers["location"])

    def until(self, path: str, condition: Callable[[Job], bool]) -> Job:
        deadline = time.monotonic() + PATIENCE_S
        while not condition(job := self.caller.call("GET", path).json()):
            assert time.monotonic() < deadline, job
            time.sleep(PAUSE_S / 4)
        return job

    def until_it_works(self, path: str, attempt: int = 1) -> Job:
        return self.until(path, lambda job: bool(job["attempt"] >= attempt and job["progress"]))

    def until_it_ends(self, path: str) -> Job:
        return self.until(path, lambda job: job["state"] in TERMINAL)

    def until_logged(self, text: str, times: int = 1) -> None:
        wait_for(lambda: self.service.log.read_text().count(text) >= times, PATIENCE_S)

    def counts(self) -> dict[str, int]:
        """Ends of jobs and failures of attempts so far, as the state counts them."""
        with self.service.redis() as redis:
            found = redis.hgetall(redis_keys.COUNTERS)
        return {name: int(value) for name, value in found.items() if name.startswith(("jobs:", "failures:"))}

    def results(self, path: str) -> set[str]:
        """Attempts of which there is a result."""
        folder = self.service.folder / "blobs" / "results" / path.rpartition("/")[2]
        return {each.name for each in folder.glob("*")}


@contextmanager
def desk(service: Service) -> Iterator[Desk]:
    """A client; at the end all responses that it got must have been right."""
    caller = Caller(service.url, Responses())
    try:
        yield Desk(service, caller)
    finally:
        caller.close()
    assert caller.responses.wrong == []


def scene(path: Path, frames: int = 48, *, shift: int = 0) -> Path:
    """Rectangles that the fake networks find; `shift`: another video."""
    left = Rectangle(PALETTE[0], 20 + shift, 20, 40, 60, step_xy=(1, 0))
    write_video(path, [left, Rectangle(PALETTE[1], 180, 20, 40, 60)], frames)
    return path


def since(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """What was counted in between."""
    return {name: count - before.get(name, 0) for name, count in now.items() if count != before.get(name, 0)}
