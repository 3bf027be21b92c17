"""The engine: the process that holds the models. `python -m service.worker.engine_main`.

Commands come on standard input, answers go to standard output; `protocol` says what they look like.
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
from dualtrack.errors import Canceled, ContractViolation, DualtrackError, InvalidInput, InvalidResult, Unavailable
from service.media.children.child_main import FULL
from service.pipeline.context import EngineSettings, PipelineContext, open_context, open_networks
from service.pipeline.networks import Networks
from service.pipeline.parameters.job_parameters import parse_stored
from service.pipeline.progress import StageProgress
from service.pipeline.store.cache import CacheNote
from service.pipeline.video_file import segment
from service.processes.parent import die_with_parent
from service.processes.scratch import scratch_folder, sweep_scratch
from service.settings import Settings
from service.worker.current_networks import CurrentNetworks

Runs = queue.Queue[protocol.Do | None]
"""None: the input has ended."""
UNUSABLE = 6
"""Exit status where the models or the settings can't be used."""
REFUSED = 3
"""Exit status after a line that is not a message of the protocol; the log says what is wrong with it."""


class Answers:
    """Reports on a run; every message names the run that was begun last."""

    def __init__(self, say: Callable[[protocol.Answer], None]) -> None:
        self._say, self._run = say, 0

    def ready(self) -> None:
        """The models are loaded."""
        self._say(protocol.Ready())

    def begin(self, run: int) -> None:
        """Report on this run from now on."""
        self._run = run

    def progress(self, step: StageProgress) -> None:
        """A step is done."""
        self._say(protocol.Step(self._run, **asdict(step)))

    def cached(self, note: CacheNote) -> None:
        """A cache file was written, used or removed."""
        self._say(protocol.Cached(self._run, note.key, note.size_bytes, note.checkpoint))

    def done(self) -> None:
        """The run has a result."""
        self._say(protocol.Done(self._run))

    def failed(self, error: DualtrackError) -> None:
        """The run failed."""
        self._say(protocol.Failed(self._run, error.code, error.detail, _is_final(error)))


class Cancels:
    """The runs that must stop: set by the thread that reads the commands, checked at every step.

    Runs are identified by number, because a cancel may be read before its run begins or after it has ended.
    """

    def __init__(self) -> None:
        self._runs: set[int] = set()
        self._all = False

    def add(self, run: int) -> None:
        """Stop this run, now or when it comes."""
        self._runs.add(run)

    def add_all(self) -> None:
        """Stop every run: the worker is gone."""
        self._all = True

    def __contains__(self, run: int) -> bool:
        return self._all or run in self._runs


class JobEngine:
    """One job at a time.

    Args:
        context: networks, limits, scratch folder, cache.
        answers: reports how a job goes.
        cancels: checked before the first step and at every step.
    """

    def __init__(self, context: PipelineContext, answers: Answers, cancels: Cancels) -> None:
        self._context, self._answers, self._cancels = context, answers, cancels

    def use(self, networks: Networks) -> None:
        """Use these networks for the next jobs."""
        self._context = replace(self._context, networks=networks)

    async def run(self, command: protocol.Do) -> None:
        """Do one job and report how it ended."""
        job = command.job
        self._answers.begin(command.run)
        try:
            self._check_cancel(command.run)
            await segment(
                Path(job["video"]),
                Path(job["out"]),
                sha256=job["sha256"],
                context=replace(self._context, counted_ids=job.get("counted_ids", False)),
                parameters=parse_stored(job["parameters"]),
                report=partial(self._report, command.run),
                detections=Path(job["detections"]) if "detections" in job else None,
            )
            self._answers.done()
        except DualtrackError as error:
            self._answers.failed(error)
        except OSError as error:
            # the disk's fault, not the job's: another attempt may find it mended
            code = "disk-full" if error.errno in FULL else "unavailable"
            self._answers.failed(Unavailable(f"engine: {error}", code=code))

    def _report(self, run: int, progress: StageProgress) -> None:
        self._check_cancel(run)
        self._answers.progress(progress)

    def _check_cancel(self, run: int) -> None:
        if run in self._cancels:
            raise Canceled("job: canceled")


def _is_final(error: DualtrackError) -> bool:
    """Another attempt would end the same way; a result that can't be read after it was written is the disk's fault."""
    return isinstance(error, InvalidInput | Canceled | ContractViolation) and not isinstance(error, InvalidResult)


async def serve(settings: EngineSettings, scratch: Path, runs: Runs, cancels: Cancels, answers: Answers) -> None:
    """Open the models, then do the jobs that come until the input ends."""
    async with (
        open_context(settings, scratch, note=answers.cached) as context,
        CurrentNetworks(settings.model_repository, context.networks, partial(open_networks, settings)) as current,
    ):
        engine = JobEngine(context, answers, cancels)
        answers.ready()
        while (run := await asyncio.to_thread(runs.get)) is not None:
            engine.use(await current.renewed())
            await engine.run(run)


def _own_output() -> TextIO:
    """The pipe to the worker; what a library prints goes to the log, not between the answers."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _write_line(answers: TextIO, answer: protocol.Answer) -> None:
    answers.write(protocol.encode(answer))
    answers.flush()


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
    """End the process at once, also during a job: it can't know what the worker wanted. The handle starts another."""
    sys.stderr.write(f"{detail}\n")
    sys.stderr.flush()
    os._exit(REFUSED)


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
    # Ctrl-C in a terminal reaches the whole group; the worker decides when its engine ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with _own_output() as output:
        work(Answers(partial(_write_line, output)))


def work(answers: Answers) -> None:
    """Read what the other side sends, and answer it until the input ends."""
    given = _read_start().settings
    runs: Runs = queue.Queue()
    cancels = Cancels()
    threading.Thread(target=_read, args=(runs, cancels), daemon=True).start()
    try:
        with _scratch(given) as scratch:
            asyncio.run(serve(_settings(given), scratch, runs, cancels, answers))
    except DualtrackError as error:
        # in place of ready: the models or the settings can't be used
        answers.failed(error)
        sys.stderr.write(f"engine: {error.code}: {error.detail}\n")
        sys.exit(UNUSABLE)


def _settings(given: protocol.Document) -> EngineSettings:
    """What the start message gives; the rest from the environment."""
    if given.keys() >= {field.name for field in fields(EngineSettings)}:
        return EngineSettings.from_json(given)
    return EngineSettings.from_json({**Settings().engine_settings().to_json(), **given})


@contextlib.contextmanager
def _scratch(given: protocol.Document) -> Iterator[Path]:
    """The folder of the start message, which its owner removes, or one of this process."""
    if "scratch" in given:
        yield Path(given["scratch"])
        return
    root = Settings().data_dir / "scratch"
    sweep_scratch(root)
    with scratch_folder(root, f"engine-{uuid4().hex}") as scratch:
        yield scratch


if __name__ == "__main__":
    main()
