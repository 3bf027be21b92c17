"""An engine without models, for tests of the worker: reports steps and does what the video's bytes say.

`ok N`: N steps, then a result; `cache`: something for the cache, too. `die`: ends in the middle. `hang`: never answers
again. `bad`: the video can't be used. `climb N`: each attempt dies at the next of N checkpoints. `stuck N`: the same, but
never gets beyond the first.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

canceled = threading.Event()
jobs: list[dict] = []
ready = threading.Condition()


def say(message: dict) -> None:
    print(json.dumps(message), flush=True)


def read() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command.get("cancel"):
            canceled.set()
        else:
            with ready:
                jobs.append(command["job"])
                ready.notify()
    os._exit(0)


def cached(video: str) -> None:
    """What the real engine does after a stage: a file, and a note of it."""
    path = Path(settings["cache_dir"], video, "detections-1")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(7))
    say({"cache": {"key": f"{video}/{path.name}", "size_bytes": 7}})


def reached(video: str, *, further: bool) -> int:
    """What the real engine does at a checkpoint; its number."""
    folder = Path(settings["cache_dir"], video)
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("checkpoint-*"))) if further else 0
    path = folder / f"checkpoint-{number}"
    path.write_bytes(bytes(7))
    say({"cache": {"key": f"{video}/{path.name}", "size_bytes": 7}})
    return number + 1


def work(job: dict) -> None:
    canceled.clear()
    what, *rest = Path(job["video"]).read_text().split()
    if what == "bad":
        say({"error": {"code": "malformed", "detail": "video: bad"}, "final": True})
        return
    steps = int(rest[0]) if rest else 3
    for step in range(steps):
        if canceled.is_set() and what != "hang":
            say({"error": {"code": "canceled", "detail": "job: cancelled"}, "final": True})
            return
        say({"progress": {"stage": "detect", "done": step + 1, "total": steps}})
        if what == "die" and step == 1:
            os._exit(9)
        if what in {"climb", "stuck"} and reached(Path(job["video"]).name, further=what == "climb") <= steps:
            os._exit(9)
        time.sleep(0.1)
    if what == "cache":
        cached(Path(job["video"]).name)
    out = Path(job["out"])
    out.mkdir(parents=True, exist_ok=True)
    (out / "tubelets.json").write_text('{"tubelets": []}')
    say({"done": True})


settings = json.loads(sys.stdin.readline())
say({"ready": True})
threading.Thread(target=read, daemon=True).start()
while True:
    with ready:
        while not jobs:
            ready.wait()
        job = jobs.pop(0)
    work(job)
