"""This end of an engine process: start it, send a job, watch it, kill it. The worker and `Engine` both use it."""

import asyncio
import contextlib
import shutil
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dualtrack import protocol
from dualtrack.children import child_environment, python_command
from dualtrack.engine.idle import until_frozen
from dualtrack.error_codes import error_of_code
from dualtrack.errors import Canceled, EngineDied, JobFailed

COMMAND = python_command("service.worker.engine_main")
START_S = 120.0
SILENT_S = 120.0
CANCEL_S = 1.0
STOP_S = 5.0
LINE_BYTES = 1 << 20
CANCELED = "job: canceled"
Document = dict[str, Any]


class EngineHandle:
    """One engine; started when first needed, and again after it died or was killed.

    Args:
        settings: sent to the process at its start, those of `service.settings` by name; what is left out comes from
            the environment. `scratch` is its folder for decoded frames and features, removed when the process is
            killed; without it the process makes one of its own.
        command: the program to start; tests start another one.
        silent_s: seconds without a message and without processor time, its own or its children's, after which an
            engine with a job is taken for frozen, and killed. One that computes for longer between two messages, on
            however slow a machine, is not.
        deadline_s: seconds that a job may take; None: any time.
    """

    def __init__(
        self,
        settings: Document,
        command: Sequence[str] = COMMAND,
        *,
        silent_s: float = SILENT_S,
        deadline_s: float | None = None,
    ) -> None:
        self._settings, self._command = settings, command
        self._silent_s, self._deadline_s = silent_s, deadline_s
        self._process: Process | None = None
        self._runs = self._heard = 0

    async def start(self) -> None:
        """Start the process and wait until its models are loaded.

        Raises:
            EngineDied: it ended instead, or took too long; its output is in the log.
            ConfigurationError: models or settings can't be used.
        """
        if self._process is not None and self._process.returncode is None:
            return
        if self._process is not None:
            # it ended between two jobs: its pipes are still open
            await self.kill()
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
            env=child_environment(),
        )
        try:
            _write(self._process, protocol.Start(self._settings))
            await _flush(self._process)
            message = await asyncio.wait_for(self._receive(), START_S)
        except BaseException as error:
            await self.kill()
            if isinstance(error, TimeoutError):
                raise EngineDied(f"engine: not ready within {START_S:.0f} s") from error
            raise
        if not isinstance(message, protocol.Ready):
            await self.kill()
            if isinstance(message, protocol.Failed):
                raise error_of_code(message.code, message.detail)
            came = "its end" if message is None else protocol.name_of(message)
            raise EngineDied(f"engine: expected it to get ready, got {came}")

    async def run(
        self,
        job: Document,
        report: Callable[[protocol.Step], None],
        note: Callable[[protocol.Cached], None],
        canceled: asyncio.Event,
    ) -> None:
        """Do one job.

        Args:
            job: what `protocol.Do` says.
            report: called with every step.
            note: called for every cache file that is used or removed.
            canceled: when set, the engine is told to stop, and killed if it has not within a second. Set before the
                engine has the job, the job is not begun.

        Raises:
            Canceled: it stopped because it was told to.
            JobFailed: the job failed, or took longer than `deadline_s`.
            EngineDied: the process ended, or was frozen.
        """
        await self._start_unless(canceled)
        try:
            async with asyncio.timeout(self._deadline_s) as deadline:
                ended = await self._attend(job, report, note, canceled)
        except BaseException as error:
            # whatever went wrong, in the caller's callbacks too: the process may still be working on this run
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
        # the engine has reported how the run ended and is idle
        if isinstance(ended, protocol.Failed):
            if ended.code == Canceled.code:
                raise Canceled(ended.detail)
            raise JobFailed(ended.detail, code=ended.code, final=ended.final)

    async def _start_unless(self, canceled: asyncio.Event) -> None:
        """Have the engine ready; a cancel in the meantime stops the start, because models may take long to load.

        Raises:
            Canceled: nothing was sent to the engine, if there is one.
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
        """Send a job, pass a cancel on, and wait for the job's end."""
        self._runs += 1
        run = self._runs
        process = self._process
        if process is None:
            raise EngineDied("engine: it is not running")
        _write(process, protocol.Do(run, job))
        # watched from here on, also while a long line waits for the engine to read it
        stop = asyncio.create_task(self._stop_when(canceled, run, process))
        frozen = asyncio.create_task(self._stop_frozen(process))
        try:
            await _flush(process)
            return await self._follow(run, report, note)
        except EngineDied as error:
            if frozen.done():
                raise EngineDied(f"engine: no message and no processor time for {self._silent_s:g} s") from error
            raise
        finally:
            frozen.cancel()
            await asyncio.wait({frozen})
            stop.cancel()
            await asyncio.wait({stop})
            if not stop.cancelled():
                # it was killed, possibly after it had reported how the run ended
                await self.kill()

    async def _follow(
        self, run: int, report: Callable[[protocol.Step], None], note: Callable[[protocol.Cached], None]
    ) -> protocol.Done | protocol.Failed:
        """Pass on the engine's messages about a run until one says how the run ended."""
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
                    raise EngineDied(f"engine: expected it to do a job, got {protocol.name_of(message)}")
        code = self._process.returncode if self._process else None
        raise EngineDied(f"engine: the process ended in the middle of a job (exit code {code})")

    async def _stop_frozen(self, process: Process) -> None:
        """Kill the process if it freezes."""
        await until_frozen(process.pid, self._silent_s, lambda: self._heard)
        if process.returncode is None:
            process.kill()

    async def _stop_when(self, canceled: asyncio.Event, run: int, process: Process) -> None:
        """Wait for a cancel, pass it on, and kill the process if the run has not ended soon after."""
        await canceled.wait()
        # not flushed: an engine that has stopped reading is killed all the same
        _write(process, protocol.Cancel(run))
        await asyncio.sleep(CANCEL_S)
        if process.returncode is None:
            process.kill()

    async def stop(self) -> None:
        """End an idle process by the end of its input; one that does not end soon is killed."""
        process = self._process
        if process is not None and process.stdin is not None and process.returncode is None:
            process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_S)
        await self.kill()

    async def kill(self) -> None:
        """End the process and remove what it had on disk."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            # also reads the pipes empty, so that no transport is left open
            await process.communicate()
        await asyncio.to_thread(self._clean_scratch)

    def _clean_scratch(self) -> None:
        if "scratch" in self._settings:
            shutil.rmtree(Path(self._settings["scratch"]), ignore_errors=True)

    async def _receive(self) -> protocol.Message | None:
        """The next answer, or None when the process has ended."""
        if self._process is None or self._process.stdout is None:
            return None
        try:
            line = await self._process.stdout.readline()
        except ValueError as error:
            raise EngineDied(f"engine: it wrote a line of more than {LINE_BYTES} bytes") from error
        if not line.endswith(b"\n"):
            # nothing, or the part of a line that a killed process had written
            await self._process.wait()
            return None
        self._heard += 1
        try:
            return protocol.decode(line)
        except protocol.ProtocolError as error:
            raise EngineDied(f"engine: {error}") from error


def _write(process: Process, message: protocol.Command) -> None:
    assert process.stdin is not None
    process.stdin.write(protocol.encode(message).encode())


async def _flush(process: Process) -> None:
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError):
        # a process that just died is seen when its answer is read
        await process.stdin.drain()


def _check_earlier(message: protocol.OfRun, run: int) -> None:
    """A late message about an earlier run is ignored; one about a later run is an error."""
    if message.run > run:
        raise EngineDied(
            f"engine: expected an answer about run {run}, got {protocol.name_of(message)} of run {message.run}"
        )
