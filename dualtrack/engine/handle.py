"""Handle of an engine process, for the worker and `Engine`: start it, send it jobs, follow them, stop it."""

import asyncio
import contextlib
import shutil
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from dualtrack import protocol
from dualtrack.children import child_environment, python_command
from dualtrack.engine.idle import until_frozen
from dualtrack.error_codes import error_of_code
from dualtrack.errors import Canceled, EngineDied, JobFailed

COMMAND = python_command("service.worker.engine_main")
START_SILENT_S = 120.0
"""Minimum silence after which an engine that starts is considered frozen, in seconds: it may wait for a disk."""
CANCEL_S = 1.0
STOP_S = 5.0
LINE_BYTES = 1 << 20
CANCELED = "job: canceled"
Document = dict[str, Any]


class EngineHandle:
    """Handle of one engine process, which starts when it is first needed, and again after it ended or was killed.

    Args:
        settings: settings sent to the process when it starts, by their names in `service.settings`; those that are
            absent come from the environment. `scratch` is the folder for decoded frames and features, which is removed
            when the process is killed; without it the process creates and removes its own.
        command: the program to start; tests start another one.
        silent_s: seconds without a message and without processor time, its own or its children's, after which an
            engine that starts or has a job is taken for frozen, and killed. One that computes for longer between two
            messages, on however slow a machine, is not. Default: the engine's setting.
        deadline_s: seconds that a job may take. Default: the engine's setting.
    """

    def __init__(
        self,
        settings: Document,
        command: Sequence[str] = COMMAND,
        *,
        silent_s: float | None = None,
        deadline_s: float | None = None,
    ) -> None:
        self._settings, self._command = settings, command
        self._given_silent_s, self._given_deadline_s = silent_s, deadline_s
        self._engine = protocol.Ready()
        self._process: Process | None = None
        self._runs = self._heard = 0

    async def start(self) -> None:
        """Start the process unless it is running, and wait until its models are loaded.

        Raises:
            EngineDied: the process ended, or was frozen; it writes the reason to standard error.
            ConfigurationError: the models or settings can't be used.
        """
        if self._process is not None and self._process.returncode is None:
            return
        if self._process is not None:
            # the process ended between two jobs; its pipes are still open
            await self.kill()
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
            env=child_environment(),
        )
        try:
            async with self._watched(self._process, max(self._silent_s, START_SILENT_S)):
                _write(self._process, protocol.Start(self._settings))
                await _flush(self._process)
                self._engine = _ready(await self._receive())
        except BaseException:
            await self.kill()
            raise

    @property
    def _silent_s(self) -> float:
        return self._engine.silent_s if self._given_silent_s is None else self._given_silent_s

    @property
    def _deadline_s(self) -> float | None:
        return self._given_deadline_s or self._engine.deadline_s or None

    @contextlib.asynccontextmanager
    async def _watched(self, process: Process, silent_s: float) -> AsyncIterator[None]:
        """Kill the process if it freezes during the block, which then raises an `EngineDied` that says so."""
        frozen = asyncio.create_task(self._stop_frozen(process, silent_s))
        try:
            yield
        except EngineDied as error:
            if frozen.done():
                raise EngineDied(f"engine: no message and no processor time for {silent_s:g} s") from error
            raise
        finally:
            frozen.cancel()
            await asyncio.wait({frozen})

    async def run(
        self,
        job: Document,
        report: Callable[[protocol.Step], None],
        note: Callable[[protocol.Cached], None],
        canceled: asyncio.Event,
    ) -> None:
        """Run one job.

        Args:
            job: the job, as described at `protocol.Do`.
            report: called with every step.
            note: called for every cache file that is written, read or removed.
            canceled: when set, the engine is sent a cancel, and killed if it has not stopped within a second. If it
                is set before the job is sent, the job does not start.

        Raises:
            Canceled: the job was stopped because `canceled` was set.
            JobFailed: the job failed, or took longer than `deadline_s`.
            EngineDied: the process ended, or was frozen.
            ConfigurationError: the process started, but its models or settings can't be used.
        """
        await self._start_unless(canceled)
        try:
            async with asyncio.timeout(self._deadline_s) as deadline:
                ended = await self._attend(job, report, note, canceled)
        except BaseException as error:
            # whatever the error, even one in the caller's callbacks: the process may still be working on this run
            await self.kill()
            if isinstance(error, EngineDied) and canceled.is_set():
                raise Canceled(CANCELED) from error
            if isinstance(error, TimeoutError) and deadline.expired():
                limit = f"job: not done within job_deadline_s, {self._deadline_s:g} s"
                raise JobFailed(limit, code="job-deadline", final=True) from error
            raise
        finally:
            if canceled.is_set():
                await asyncio.to_thread(self._clean_scratch)
        # here the engine has reported the end of the run and is idle
        if isinstance(ended, protocol.Failed):
            if ended.code == Canceled.code:
                raise Canceled(ended.detail)
            raise JobFailed(ended.detail, code=ended.code, final=ended.final)

    async def _start_unless(self, canceled: asyncio.Event) -> None:
        """Start the engine; a cancel in the meantime stops the start, because loading models may take long.

        Raises:
            Canceled: `canceled` was set; no job was sent.
        """
        if canceled.is_set():
            raise Canceled(CANCELED)
        start, cancel = asyncio.create_task(self.start()), asyncio.create_task(canceled.wait())
        try:
            await asyncio.wait({start, cancel}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            start.cancel()
            cancel.cancel()
            await asyncio.gather(start, cancel, return_exceptions=True)
        if canceled.is_set():
            raise Canceled(CANCELED)
        start.result()

    async def _attend(
        self,
        job: Document,
        report: Callable[[protocol.Step], None],
        note: Callable[[protocol.Cached], None],
        canceled: asyncio.Event,
    ) -> protocol.Done | protocol.Failed:
        """Send a job, forward a cancel, and wait for the end of the job."""
        self._runs += 1
        run = self._runs
        process = self._process
        if process is None:
            raise EngineDied("engine: expected a running process, got none")
        _write(process, protocol.Do(run, job))
        # watched from here on, including while a long line waits for the engine to read it
        stop = asyncio.create_task(self._stop_when(canceled, run, process))
        try:
            async with self._watched(process, self._silent_s):
                await _flush(process)
                return await self._follow(run, report, note)
        finally:
            stop.cancel()
            await asyncio.wait({stop})
            if not stop.cancelled():
                # the process was killed, possibly after it had reported the end of the run
                await self.kill()

    async def _follow(
        self, run: int, report: Callable[[protocol.Step], None], note: Callable[[protocol.Cached], None]
    ) -> protocol.Done | protocol.Failed:
        """Forward the engine's messages about a run until the run ends; returns the last one."""
        while (message := await self._receive()) is not None:
            if isinstance(message, protocol.OfRun) and message.run != run:
                _check_earlier(message, run)
                continue
            match message:
                case protocol.Step():
                    report(message)
                case protocol.Cached():
                    note(message)
                case protocol.Done() | protocol.Failed():
                    return message
                case _:
                    raise EngineDied(f"engine: expected a message about a run, got {protocol.name_of(message)}")
        code = self._process.returncode if self._process else None
        raise EngineDied(f"engine: the process ended during a job (exit code {code})")

    async def _stop_frozen(self, process: Process, silent_s: float) -> None:
        """Kill the process if it freezes."""
        await until_frozen(process.pid, silent_s, lambda: self._heard)
        if process.returncode is None:
            process.kill()

    async def _stop_when(self, canceled: asyncio.Event, run: int, process: Process) -> None:
        """Wait for a cancel, forward it, and kill the process if the run does not end soon after."""
        await canceled.wait()
        # not flushed: an engine that no longer reads its input must still be killed
        _write(process, protocol.Cancel(run))
        await asyncio.sleep(CANCEL_S)
        if process.returncode is None:
            process.kill()

    async def stop(self) -> None:
        """Stop an idle process by closing its input; if it does not end soon, kill it."""
        process = self._process
        if process is not None and process.stdin is not None and process.returncode is None:
            process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_S)
        await self.kill()

    async def kill(self) -> None:
        """Kill the process and remove its scratch folder."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            # also drains the pipes, so that no transport stays open
            await process.communicate()
        await asyncio.to_thread(self._clean_scratch)

    def _clean_scratch(self) -> None:
        if "scratch" in self._settings:
            shutil.rmtree(Path(self._settings["scratch"]), ignore_errors=True)

    async def _receive(self) -> protocol.Message | None:
        """The next message of the engine, or None once the process has ended."""
        if self._process is None or self._process.stdout is None:
            return None
        try:
            line = await self._process.stdout.readline()
        except ValueError as error:
            raise EngineDied(f"engine: expected lines of at most {LINE_BYTES} bytes, got a longer one") from error
        if not line.endswith(b"\n"):
            # nothing, or an incomplete line of a process that was killed
            await self._process.wait()
            return None
        self._heard += 1
        try:
            return protocol.decode(line)
        except protocol.ProtocolError as error:
            raise EngineDied(f"engine: {error}") from error


def _ready(message: protocol.Message | None) -> protocol.Ready:
    """The engine's first message, if it is the right one."""
    if isinstance(message, protocol.Ready):
        return message
    if isinstance(message, protocol.Failed):
        raise error_of_code(message.code, message.detail)
    received = "the end of its output" if message is None else protocol.name_of(message)
    raise EngineDied(f"engine: expected the message ready, got {received}")


def _write(process: Process, message: protocol.Command) -> None:
    assert process.stdin is not None
    process.stdin.write(protocol.encode(message).encode())


async def _flush(process: Process) -> None:
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError):
        # a process that has just ended is noticed when its output is read
        await process.stdin.drain()


def _check_earlier(message: protocol.OfRun, run: int) -> None:
    """A late message about an earlier run is ignored; one about a later run is an error."""
    if message.run > run:
        raise EngineDied(
            f"engine: expected a message about run {run}, got {protocol.name_of(message)} of run {message.run}"
        )
