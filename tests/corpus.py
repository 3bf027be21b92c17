"""`python -m tests.corpus FOLDER`: a whole job for every video of a folder, on a service of its own.

FOLDER holds a `manifest.json` with `videos`: `file`, `expect` (accept, reject, either) and `frames_decodable`. Exits
with 1 if a file is taken that has to be refused, refused that has to be taken, or a job ends without an error of
its own or with another number of frames than the decoder's.
"""

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.cli.demo import running_service
from service.client import Client
from service.errors import DualtrackError

LONGEST_S = 3600.0


@dataclass(frozen=True)
class Verdict:
    """What a file came to: `taken` with a result, or refused, and what speaks against that."""

    taken: bool
    told: str
    complaint: str | None = None


def judge(client: Client, path: Path, entry: dict[str, Any]) -> Verdict:
    """Run one file through the service and compare the end with the manifest."""
    try:
        job = client.wait(client.submit(path), timeout_s=LONGEST_S)
    except DualtrackError as error:
        return _refused(str(error), entry)
    if job.state != "done":
        return _refused(f"{job.state}: {job.error}", entry)
    result = client.result(job)
    frames, tubelets = result["video"]["frames"], len(result["tubelets"])
    told = f"{frames} frames, {tubelets} tubelets"
    if entry["expect"] == "reject":
        return Verdict(True, told, "must be refused")
    wrong = entry["expect"] == "accept" and frames != entry["frames_decodable"]
    return Verdict(True, told, f"{entry['frames_decodable']} frames expected" if wrong else None)


def _refused(told: str, entry: dict[str, Any]) -> Verdict:
    return Verdict(False, told, "must be taken" if entry["expect"] == "accept" else None)


def main(folder: Path) -> int:
    """Print a line per file; the number of complaints decides."""
    entries = json.loads((folder / "manifest.json").read_text())["videos"]
    complaints = 0
    with (
        tempfile.TemporaryDirectory(prefix="dualtrack-corpus-") as scratch,
        running_service(Path(scratch)) as url,
        Client(url) as client,
    ):
        for entry in sorted(entries, key=lambda entry: entry["frames_decodable"] or 0):
            start = time.monotonic()
            verdict = judge(client, folder / entry["file"], entry)
            complaints += verdict.complaint is not None
            mark = f"WRONG ({verdict.complaint})" if verdict.complaint else "ok"
            seconds = time.monotonic() - start
            print(f"{mark:4} {entry['file']} [{entry['expect']}] {seconds:.1f} s: {verdict.told}", flush=True)
    print(f"{len(entries)} files, {complaints} wrong")
    return int(complaints > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
