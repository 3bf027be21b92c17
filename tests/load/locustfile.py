"""Users that POST a small clip, follow the job and read its result: `make load`.

Every answer that is no success counts as a failure, except 429 with `Retry-After`: that is the service keeping
its queue bounded, and the user waits as `Retry-After` says. Locust exits with 1 if there was a failure.
"""

import os
import time
import uuid
from pathlib import Path
from typing import Any

from locust import HttpUser, between, task
from locust.clients import ResponseContextManager

CLIP = Path(os.environ.get("DUALTRACK_LOAD_CLIP", "demo/pedestrians.mp4"))
PATIENCE_S = float(os.environ.get("DUALTRACK_LOAD_PATIENCE_S", "300"))


class Viewer(HttpUser):
    """One person with one clip."""

    wait_time = between(0.5, 2)

    def on_start(self) -> None:
        self.clip = CLIP.read_bytes()

    @task
    def segment(self) -> None:
        """The main job, in one shot."""
        job = self._create()
        if job is None:
            return
        deadline = time.monotonic() + PATIENCE_S
        while job["state"] not in {"done", "failed", "canceled"} and time.monotonic() < deadline:
            url = f"{job['links']['self']}?wait=5"
            reported = self._json("GET", url, name="/v1/jobs/{id}?wait=5")
            if reported is None:
                return
            job = reported
        self._read(job)

    def _create(self) -> dict[str, Any] | None:
        files = {"parameters": (None, '{"overlay": false}'), "file": ("clip.mp4", self.clip, "video/mp4")}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return self._json("POST", "/v1/jobs", name="/v1/jobs", files=files, headers=headers)

    def _read(self, job: dict[str, Any]) -> None:
        url = f"{job['links']['self']}/result"
        with self.client.get(url, name="/v1/jobs/{id}/result", catch_response=True) as answer:
            if job["state"] != "done":
                answer.failure(f"job ended as {job['state']}: {job['error']}")
            elif answer.status_code != 200 or "tubelets" not in answer.json():
                answer.failure(f"status {answer.status_code}: {answer.text[:200]}")

    def _json(self, method: str, url: str, **options: Any) -> dict[str, Any] | None:
        """The JSON of a success; None after a 429 that was waited for, or after a failure."""
        with self.client.request(method, url, catch_response=True, **options) as answer:
            if answer.ok:
                body: dict[str, Any] = answer.json()
                return body
            after = _told_to_wait(answer)
            if after is None:
                answer.failure(f"status {answer.status_code}: {answer.text[:200]}")
                return None
            answer.success()
        time.sleep(after)
        return None


def _told_to_wait(answer: ResponseContextManager) -> float | None:
    after = answer.headers.get("Retry-After", "")
    return float(after) if answer.status_code == 429 and after.isdecimal() else None
