"""The engine: the process that holds the models. `python -m service.pipeline.engine_process`.

The worker writes one JSON line per command to its standard input (`{"job": …}` or `{"cancel": true}`), the engine
answers in JSON lines on standard output: `{"ready": …}`, `{"progress": …}`, `{"cache": …}`, `{"done": true}`,
`{"error": …}`.
"""

import asyncio
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from service.errors import Canceled, DualtrackError, InvalidInput
from service.inference.open import open_client
from service.media.limits import VideoLimits
from service.pipeline.cache import FolderCache
from service.pipeline.current_networks import CurrentNetworks
from service.pipeline.networks import Networks
from service.pipeline.outside_detector import open_detector
from service.pipeline.parameters import JobParameters
from service.pipeline.run import Progress
from service.pipeline.segment import SegmentContext, segment
from service.state.parent import die_with_parent

Document = dict[str, Any]


class Engine:
    """One job at a time.

    Args:
        context: networks, limits, scratch folder, cache.
        say: writes an answer.
        canceled: set from the thread that reads the commands; looked at at every step.
    """

    def __init__(self, context: SegmentContext, say: Callable[[Document], None], canceled: threading.Event) -> None:
        self._context, self._say, self._canceled = context, say, canceled

    def use(self, networks: Networks) -> None:
        """Do the jobs from now on with these networks."""
        self._context = replace(self._context, networks=networks)

    async def run(self, job: Document) -> None:
        """Do one job and say how it ended."""
        try:
            await segment(
                Path(job["video"]),
                Path(job["out"]),
                context=self._context,
                parameters=JobParameters.model_validate(job["parameters"]),
                report=self._report,
                detections=Path(job["detections"]) if "detections" in job else None,
            )
            self._say({"done": True})
        except DualtrackError as error:
            self._say({"error": {"code": error.code, "detail": error.detail}, "final": _is_final(error)})

    def _report(self, progress: Progress) -> None:
        if self._canceled.is_set():
            raise Canceled("job: cancelled")
        self._say({"progress": asdict(progress)})


def _is_final(error: DualtrackError) -> bool:
    """Another attempt would end the same way."""
    return isinstance(error, InvalidInput | Canceled)


async def serve(settings: Document, commands: "queue.Queue[Document | None]", canceled: threading.Event) -> None:
    """Open the models, then do the jobs that come until the input ends."""
    say = partial(_write_line, _own_output())
    open_with = partial(
        open_client,
        triton_url=settings["triton_url"],
        providers=settings["providers"],
        threads=settings["threads"],
        deadline_s=settings["inference_deadline_s"],
    )
    current = await CurrentNetworks.open(Path(settings["model_repository"]), open_with)
    context = SegmentContext(
        networks=current.networks,
        limits=VideoLimits(**settings["limits"]),
        scratch=Path(settings["scratch"]),
        cache=FolderCache(
            Path(settings["cache_dir"]),
            max_bytes=settings["cache_max_bytes"],
            note=lambda note: say({"cache": asdict(note)}),
        ),
        feature_bytes=settings["feature_cache_bytes"],
        spill_bytes=settings["feature_spill_bytes"],
        checkpoint_frames=settings["checkpoint_frames"],
        detector=open_detector(
            None if settings["detector"] is None else Path(settings["detector"]),
            providers=settings["providers"],
            threads=settings["threads"],
        ),
    )
    engine = Engine(context, say, canceled)
    say({"ready": True})
    try:
        while (job := await asyncio.to_thread(commands.get)) is not None:
            canceled.clear()
            engine.use(await current.renewed())
            await engine.run(job)
    finally:
        await current.close()


def _own_output() -> TextIO:
    """The pipe to the worker; whatever a library prints goes to the log instead of between the answers."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _write_line(answers: TextIO, message: Document) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _read(commands: "queue.Queue[Document | None]", canceled: threading.Event) -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command.get("cancel"):
            canceled.set()
        else:
            commands.put(command["job"])
    canceled.set()
    commands.put(None)


def main() -> None:
    """Entry point; the first line of the input holds the settings."""
    die_with_parent()
    # Ctrl-C in a terminal reaches the whole group; the worker decides when its engine ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings: Document = json.loads(sys.stdin.readline())
    commands: queue.Queue[Document | None] = queue.Queue()
    canceled = threading.Event()
    threading.Thread(target=_read, args=(commands, canceled), daemon=True).start()
    asyncio.run(serve(settings, commands, canceled))


if __name__ == "__main__":
    main()
