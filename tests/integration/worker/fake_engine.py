"""An engine without models, for tests of the worker: reports steps and follows the commands in the video file.

`ok N`: N steps, then a result; `cache`: also a note of a cache file. `die`: ends during the job. `hang`: sends
nothing more. `bad`: the video can't be used. `odd`: more steps than a float can count. `climb N`: each attempt dies at
the next of N checkpoints. `stuck N`: the same, but never gets beyond the first. A real video: one step, then a result
without tubelets.
"""

import os
import sys
import threading
import time
from pathlib import Path

from dualtrack import protocol
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.protocol import Cached, Cancel, Do, Done, Failed, Ready, Step
from dualtrack.result.file import write_result
from dualtrack.result.model import Head, Video

canceled: set[int] = set()
runs: list[Do] = []
ready = threading.Condition()


def send(message: protocol.EngineMessage) -> None:
    print(protocol.encode(message), end="", flush=True)


def read() -> None:
    for line in sys.stdin:
        match protocol.decode(line):
            case Cancel(number):
                canceled.add(number)
            case Do() as run:
                with ready:
                    runs.append(run)
                    ready.notify()
    os._exit(0)


def cached(run: int, video: str) -> None:
    """What the real engine does after a stage: a file, and a note of it."""
    path = Path(settings["cache_dir"], video, "detections-1")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(7))
    send(Cached(run, f"{video}/{path.name}", 7))


def reached(run: int, video: str, *, further: bool) -> int:
    """What the real engine does at a checkpoint; its number."""
    folder = Path(settings["cache_dir"], video)
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("checkpoint-*"))) if further else 0
    path = folder / f"checkpoint-{number}"
    path.write_bytes(bytes(7))
    send(Cached(run, f"{video}/{path.name}", 7, checkpoint=True))
    return number + 1


def work(command: Do) -> None:
    run, job = command.run, command.job
    content = Path(job["video"]).read_bytes()
    real = b"ftyp" in content[:16]
    what, *rest = ("ok", "1") if real else content.decode().split()
    if what == "bad":
        send(Failed(run, "malformed", "video: bad", final=True))
        return
    if what == "odd":
        send(Step(run, "detect", 10**400, 1))
    steps = int(rest[0]) if rest else 3
    for step in range(steps):
        if run in canceled and what != "hang":
            send(Failed(run, "canceled", "job: canceled", final=True))
            return
        send(Step(run, "detect", step + 1, steps))
        if what == "die" and step == 1:
            os._exit(9)
        if what in {"climb", "stuck"} and reached(run, job["sha256"], further=what == "climb") <= steps:
            os._exit(9)
        time.sleep(0.1)
    if what == "cache":
        cached(run, job["sha256"])
    out = Path(job["out"])
    out.mkdir(parents=True, exist_ok=True)
    stored = out / FILES[ResultFormat.COCO_RLE].stored
    if real:
        write_result(stored, Head(Video(64, 48, 0), {}, None, {}, (), 1, (), ()), lambda place, frames: ())
    else:
        stored.write_text('{"tubelets": []}')
    send(Done(run))


start = protocol.decode(sys.stdin.readline())
assert isinstance(start, protocol.Start)
settings = start.settings
send(Ready())
threading.Thread(target=read, daemon=True).start()
while True:
    with ready:
        while not runs:
            ready.wait()
        next_run = runs.pop(0)
    work(next_run)
