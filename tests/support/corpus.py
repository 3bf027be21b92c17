"""`python -m tests.support.corpus FOLDER [name=value …]`: a whole job for every video of a folder, on a service of its own.

FOLDER holds a `manifest.json` with `videos`: `file`, `expect` (accept, reject, either) and `frames_decodable`; the
rest are parameters of the jobs (`max_seeds=2` makes them cheap). Exits with 1 if a file is taken that has to be
refused, refused that has to be taken (a limit that is named may refuse it), refused otherwise than by a 4xx problem,
takes a second attempt, or ends with results that don't fit each other or the decoder's number of frames.
"""

import json
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from dualtrack.client.client import Client
from dualtrack.client.job import Job
from dualtrack.errors import Conflict, DualtrackError, InvalidInput
from service.cli.demo import running_service
from service.cli.parameters import parse_parameters

LONGEST_S = 3600.0
LIMIT = re.compile(r"\blimits? .*\b(max|min)_\w+")
OURS = frozenset({"too-many-attempts", "internal", "decode-failed", "timeout"})
"""Codes of a failed job that are no verdict on the file."""


@dataclass(frozen=True)
class Verdict:
    """What a file came to, and what speaks against that."""

    outcome: str
    complaint: str | None = None


def judge(client: Client, path: Path, entry: dict[str, Any], parameters: dict[str, Any], scratch: Path) -> Verdict:
    """Run one file through the service and compare the end with the manifest."""
    try:
        job = client.wait(client.submit(path, **parameters), timeout_s=LONGEST_S)
    except InvalidInput as error:
        return _refused(f"{error.code}: {error.detail}", entry)
    except DualtrackError as error:
        return Verdict(f"{error.code}: {error.detail}", "no 4xx problem")
    if job.state != "done":
        return _failed(job, entry)
    return _taken(client, job, entry, scratch)


def _refused(outcome: str, entry: dict[str, Any]) -> Verdict:
    fine = entry["expect"] != "accept" or LIMIT.search(outcome)
    return Verdict(outcome, None if fine else "must be taken")


def _failed(job: Job, entry: dict[str, Any]) -> Verdict:
    error = job.error or {"code": "internal", "detail": "no reason given"}
    outcome = f"{job.state}: {error['code']}: {error['detail']}"
    if error["code"] in OURS:
        return Verdict(outcome, "no verdict on the file")
    if entry["expect"] == "reject":
        return Verdict(outcome, "must be refused at once")
    return _refused(outcome, entry)


def _taken(client: Client, job: Job, entry: dict[str, Any], scratch: Path) -> Verdict:
    result = client.result(job)
    frames, tubelets = result.video.frames, result.tubelets
    outcome = f"{frames} frames, {len(tubelets)} tubelets"
    if result.video.damage:
        outcome += f", damaged: {result.video.damage}"
    if entry["expect"] == "reject":
        return Verdict(outcome, "must be refused")
    if entry["expect"] == "accept" and frames != entry["frames_decodable"]:
        return Verdict(outcome, f"{entry['frames_decodable']} frames expected")
    if job.attempt != 1:
        return Verdict(outcome, f"took {job.attempt} attempts")
    if len(json.loads(client.download(job, "ytvis", scratch / "ytvis.json").read_text())) != len(tubelets):
        return Verdict(outcome, "another number of YouTube-VIS records")
    if any(len(item["segmentations"]) != frames for item in result.document()["tubelets"]):
        return Verdict(outcome, "a tubelet with another number of frames")
    try:
        drawn = _frames_of(client.download(job, "overlay-mp4", scratch / "overlay.mp4", timeout_s=LONGEST_S))
    except Conflict as error:
        return Verdict(outcome, error.detail)
    return Verdict(outcome, None if drawn == frames else f"the overlay has {drawn} frames")


def _frames_of(video: Path) -> int:
    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))


def main(folder: Path, parameters: dict[str, Any]) -> int:
    """Print a line per file; the number of complaints decides."""
    entries = json.loads((folder / "manifest.json").read_text())["videos"]
    complaints = 0
    with tempfile.TemporaryDirectory(prefix="dualtrack-corpus-") as name:
        scratch = Path(name)
        with running_service(scratch) as url, Client(url) as client:
            for entry in sorted(entries, key=lambda entry: entry["frames_decodable"] or 0):
                start = time.monotonic()
                verdict = judge(client, folder / entry["file"], entry, parameters, scratch)
                complaints += verdict.complaint is not None
                mark = f"WRONG ({verdict.complaint})" if verdict.complaint else "ok"
                seconds = time.monotonic() - start
                print(f"{mark:4} {entry['file']} [{entry['expect']}] {seconds:.1f} s: {verdict.outcome}", flush=True)
    print(f"{len(entries)} files, {complaints} wrong")
    return int(complaints > 0)


if __name__ == "__main__":
    given = parse_parameters(sys.argv[2:], overlay=True)
    sys.exit(main(Path(sys.argv[1]), given.model_dump(mode="json", exclude_none=True)))
