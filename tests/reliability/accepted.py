"""A job that the service has accepted: how it may end, how it ended, and what can be downloaded of it."""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

from service.state.job import TERMINAL, JobState
from tests.reliability.jobs import Ask
from tests.reliability.responses import PATIENCE_S, Caller


@dataclass
class Accepted:
    """A job that the service has accepted.

    Attributes:
        expected: states in which it may end.
        last: the job as it was when it had ended; the state is `gone` if its video was deleted.
        digests: of what can be downloaded of a job that is done, in the order of its formats.
    """

    ask: Ask
    job_id: str
    expected: set[str]
    last: dict[str, Any] = field(default_factory=dict)
    digests: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return f"/v1/jobs/{self.job_id}"

    def follow(self, caller: Caller) -> None:
        """Wait for the end of the job, as its own address reports it, and download what there is of it."""
        self.last = self._ended(caller)
        if self.last["state"] == JobState.DONE:
            self.digests = tuple(self._downloaded(caller, kind) for kind in self.ask.formats)

    def _ended(self, caller: Caller) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = caller.call("GET", self.path, params={"wait": 5})
            if answer.status_code == 410:
                return {"state": "gone"}
            found: dict[str, Any] = answer.json()
            if answer.status_code != 200:
                return {"state": f"status {answer.status_code}"}
            if found["state"] in TERMINAL:
                return found
            assert time.monotonic() < deadline, f"job {self.job_id} does not end: {found}"

    def _downloaded(self, caller: Caller, kind: str) -> str:
        """The digest of a result; an overlay is drawn after the end of the job."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = caller.call("GET", f"{self.path}/result", params={"format": kind, "wait": 5})
            if answer.status_code == 200:
                return hashlib.sha256(answer.content).hexdigest()
            code = answer.json()["code"]
            if code == "artifact-failed":
                # the workers of all its attempts were killed
                caller.call("POST", f"{self.path}/artifacts", json={"kind": "overlay"})
            elif code != "not-ready":
                return f"{answer.status_code} {answer.text}"
            assert time.monotonic() < deadline, answer.text
