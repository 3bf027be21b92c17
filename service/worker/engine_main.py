"""The engine, the process that holds the models: `python -m service.worker.engine_main`.

It reads commands from standard input and writes messages to standard output, in the format of `dualtrack.protocol`.
"""

import asyncio
import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import NoReturn, TextIO
from uuid import uuid4

from dualtrack import protocol
from dualtrack.errors import (
    Canceled,
    ContractViolation,
    DualtrackError,
    InvalidInput,
    InvalidResult,
    OverlayFailed,
    Unavailable,
)
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.result.file import ResultFile
from service.artifacts.overlay import STAGE, write_overlay
from service.media.children.child_main import FULL
from service.pipeline.context import EngineSettings, PipelineContext, open_context, open_networks
from service.pipeline.networks import Networks
from service.pipeline.parameters.job_parameters import parse_stored
from service.pipeline.progress import StageProgress
from service.pipeline.store.cache import CacheNote
from service.pipeline.video_file import segment
from service.processes.parent import die_with_parent
from service.processes.private import private_folder
from service.processes.scratch import scratch_folder, sweep_scratch
from service.settings import Settings
from service.worker.current_networks import CurrentNetworks

Runs = queue.Queue[protocol.Do | None]
"""Queue of jobs; None after the end of the input."""
UNUSABLE = 6
"""Exit status if the models or the settings can't be used."""
REFUSED = 3
"""Exit status after a line that is not a message of the protocol; the reason is logged."""


class Reporter:
    """Sends messages about a run; every message has the number of the run that began last.

    Args:
        send: writes one message.
    """

    def __init__(self, send: Callable[[protocol.EngineMessage], None]) -> None:
        self._send, self._run = send, 0

    def ready(self, settings: EngineSettings) -> None:
        """Report that the models are loaded, and how long the engine may be silent and a run may take."""
        self._send(protocol.Ready(silent_s=settings.silence_s, deadline_s=settings.job_deadline_s))

    def begin(self, run: int) -> None:
        """Send all further messages about this run."""
        self._run = run

    def progress(self, step: StageProgress) -> None:
        """Report a step."""
        self._send(protocol.Step(self._run, **asdict(step)))

    def cached(self, note: CacheNote) -> None:
        """Report that a cache file was written, read or removed."""
        self._send(protocol.Cached(self._run, note.key, note.size_bytes, note.checkpoint))

    def done(self) -> None:
        """Report that the run has a result."""
        self._send(protocol.Done(self._run))

    def failed(self, error: DualtrackError) -> None:
        """Report that the run failed."""
        self._send(protocol.Failed(self._run, error.code, error.detail, _is_final(error)))


class Cancels:
    """The runs to cancel; added by the thread that reads commands, checked at every step.

    Runs are identified by number, because a cancel may be read before its run begins or after it has ended.
    """

    def __init__(self) -> None:
        self._runs: set[int] = set()
        self._all = False

    def add(self, run: int) -> None:
        """Cancel this run, now or when it begins."""
        self._runs.add(run)

    def add_all(self) -> None:
        """Cancel every run: the controlling process has ended or closed the input."""
        self._all = True

    def __contains__(self, run: int) -> bool:
        return self._all or run in self._runs


class JobEngine:
    """Runs one job at a time.

    Args:
        context: networks, limits, scratch folder and cache.
        reporter: receives progress and the end of a job.
        cancels: checked before the first step and at every step.
    """

    def __init__(self, context: PipelineContext, reporter: Reporter, cancels: Cancels) -> None:
        self._context, self._reporter, self._cancels = context, reporter, cancels

    def use(self, networks: Networks) -> None:
        """Use these networks for all further jobs."""
        self._context = replace(self._context, networks=networks)

    async def run(self, command: protocol.Do) -> None:
        """Run one job and report how it ended."""
        job = command.job
        self._reporter.begin(command.run)
        try:
            self._check_cancel(command.run)
            chosen = parse_stored(job["parameters"])
            result = await segment(
                Path(job["video"]),
                Path(job["out"]),
                sha256=job["sha256"],
                context=replace(self._context, counted_ids=job.get("counted_ids", False)),
                parameters=chosen,
                report=partial(self._report, command.run),
                detections=Path(job["detections"]) if "detections" in job else None,
            )
            if job.get("overlay") and chosen.overlay:
                await self._draw(command, result, chosen.overlay_threshold)
            self._reporter.done()
        except DualtrackError as error:
            self._reporter.failed(error)
        except OSError as error:
            # the disk's fault, not the job's: another attempt may find it mended
            code = "disk-full" if error.errno in FULL else "unavailable"
            self._reporter.failed(Unavailable(f"engine: {error}", code=code))

    async def _draw(self, command: protocol.Do, result: ResultFile, min_score: float) -> None:
        """Draw the overlay beside the result.

        Raises:
            OverlayFailed: it can't be drawn; the result stays.
            Canceled: the run was canceled; the result stays.
        """
        frames = result.head.video.frames
        try:
            await write_overlay(
                Path(command.job["video"]),
                result,
                result.path.with_name(FILES[ResultFormat.OVERLAY_MP4].stored),
                limits=self._context.limits,
                min_score=min_score,
                on_frame=lambda done: self._report(command.run, StageProgress(STAGE, done, frames)),
            )
        except Canceled:
            raise
        except DualtrackError as error:
            raise OverlayFailed(f"overlay: {error.code}: {error.detail}") from error
        except OSError as error:
            raise OverlayFailed(f"overlay: {error}") from error

    def _report(self, run: int, progress: StageProgress) -> None:
        self._check_cancel(run)
        self._reporter.progress(progress)

    def _check_cancel(self, run: int) -> None:
        if run in self._cancels:
            raise Canceled("job: canceled")


def _is_final(error: DualtrackError) -> bool:
    """Whether another attempt would fail in the same way; a result that can't be read back is a fault of the disk."""
    return isinstance(error, InvalidInput | Canceled | ContractViolation | OverlayFailed) and not isinstance(
        error, InvalidResult
    )


async def serve(settings: EngineSettings, scratch: Path, runs: Runs, cancels: Cancels, reporter: Reporter) -> None:
    """Load the models, then run jobs until the input ends."""
    async with (
        open_context(settings, scratch, note=reporter.cached) as context,
        CurrentNetworks(settings.model_repository, context.networks, partial(open_networks, settings)) as current,
    ):
        engine = JobEngine(context, reporter, cancels)
        reporter.ready(settings)
        while (run := await asyncio.to_thread(runs.get)) is not None:
            engine.use(await current.renewed())
            await engine.run(run)


def _own_output() -> TextIO:
    """The pipe to the controlling process; output of libraries is redirected to the log to keep it out of the pipe."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return output


def _write_line(output: TextIO, message: protocol.EngineMessage) -> None:
    output.write(protocol.encode(message))
    output.flush()


def _read(runs: Runs, cancels: Cancels) -> None:
    try:
        for line in sys.stdin.buffer:
            match protocol.decode(line):
                case protocol.Cancel(number):
                    cancels.add(number)
                case protocol.Do() as run:
                    runs.put(run)
                case other:
                    _refuse(f"engine protocol: expected do or cancel, got {protocol.name_of(other)}")
    except protocol.ProtocolError as error:
        _refuse(str(error))
    cancels.add_all()
    runs.put(None)


def _refuse(detail: str) -> NoReturn:
    """End the process at once, even during a job: the command is unknown. The handle starts a new process."""
    _exit(detail, REFUSED)


def _exit(detail: str, code: int) -> NoReturn:
    """Log a line and end the process without Python's shutdown, which waits for the thread that reads the input."""
    sys.stderr.write(f"{detail}\n")
    sys.stderr.flush()
    os._exit(code)


def _read_start() -> protocol.Start:
    try:
        start = protocol.decode(sys.stdin.buffer.readline())
    except protocol.ProtocolError as error:
        _refuse(str(error))
    if not isinstance(start, protocol.Start):
        _refuse(f"engine protocol: expected start, got {protocol.name_of(start)}")
    return start


def main() -> None:
    """Entry point."""
    die_with_parent()
    # Ctrl-C in a terminal is sent to the whole process group; the worker decides when its engine ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with _own_output() as output:
        work(Reporter(partial(_write_line, output)))


def work(reporter: Reporter) -> None:
    """Read commands and run them until the input ends."""
    given = _read_start().settings
    runs: Runs = queue.Queue()
    cancels = Cancels()
    threading.Thread(target=_read, args=(runs, cancels), daemon=True).start()
    try:
        with _scratch(given) as scratch:
            asyncio.run(serve(_settings(given), scratch, runs, cancels, reporter))
    except DualtrackError as error:
        # sent instead of ready: the models or the settings can't be used
        reporter.failed(error)
        _exit(f"engine: {error.code}: {error.detail}", UNUSABLE)


def _settings(given: protocol.Document) -> EngineSettings:
    """The settings in the start message; those that are absent come from the environment."""
    if given.keys() >= {field.name for field in fields(EngineSettings)}:
        return EngineSettings.from_json(given)
    return EngineSettings.from_json({**Settings().engine_settings().to_json(), **given})


@contextlib.contextmanager
def _scratch(given: protocol.Document) -> Iterator[Path]:
    """The folder in the start message, which its owner removes, or a new one that this process removes."""
    if "scratch" in given:
        yield Path(given["scratch"])
        return
    folder = Settings().data_dir
    private_folder(folder)
    root = folder / "scratch"
    sweep_scratch(root)
    with scratch_folder(root, f"engine-{uuid4().hex}") as scratch:
        yield scratch


if __name__ == "__main__":
    main()
