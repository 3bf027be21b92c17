"""The worker's end of its engine process: start it, send a job, watch it, kill it."""

import asyncio
import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from service.errors import Canceled, DualtrackError, InferenceError
from service.pipeline.cache import CacheNote
from service.pipeline.run import Progress

COMMAND = (sys.executable, "-m", "service.pipeline.engine_process")
START_S = 120.0
CANCEL_S = 1.0
LINE_BYTES = 1 << 20
Document = dict[str, Any]


class EngineDied(InferenceError):
    """The engine process ended in the middle of a job."""

    code = "engine-died"


class JobFailed(DualtrackError):
    """The engine said that the job failed; `final` if another attempt would, too."""

    def __init__(self, detail: str, *, code: str, final: bool) -> None:
        super().__init__(detail, code=code)
        self.final = final


class EngineProcess:
    """One engine; started when first needed, and again after it died or was killed.

    Args:
        settings: JSON that the process gets on its first line; `scratch` is its folder for decoded frames.
        command: what to start; tests start another program.
    """

    def __init__(self, settings: Document, command: Sequence[str] = COMMAND) -> None:
        self._settings, self._command = settings, command
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process and wait until its models are loaded.

        Raises:
            EngineDied: it ended instead, or took too long; its own words stand in the log.
        """
        if self._process is not None and self._process.returncode is None:
            return
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES
        )
        try:
            await self._send(self._settings)
            message = await asyncio.wait_for(self._receive(), START_S)
        except BaseException as error:
            await self.kill()
            if isinstance(error, TimeoutError):
                raise EngineDied(f"engine: not ready within {START_S:.0f} s") from error
            raise
        if message is None or "ready" not in message:
            await self.kill()
            raise EngineDied(f"engine: expected it to get ready, got {message or 'its end'}")

    async def run(
        self,
        job: Document,
        report: Callable[[Progress], None],
        note: Callable[[CacheNote], None],
        canceled: asyncio.Event,
    ) -> None:
        """Do one job.

        Args:
            job: `video`, `out`, `parameters`, `detections` if there are some.
            report: told of every step.
            note: told what of the cache is used or removed.
            canceled: when set, the engine is told to stop, and killed if it has not within a second.

        Raises:
            Canceled: it stopped because it was told to.
            JobFailed: the job failed.
            EngineDied: the process ended.
        """
        stop = asyncio.create_task(self._stop_when(canceled))
        try:
            await self.start()
            await self._send({"job": job})
            await self._follow(report, note)
        except EngineDied as error:
            await self.kill()
            if canceled.is_set():
                raise Canceled("job: cancelled") from error
            raise
        except asyncio.CancelledError:
            await self.kill()
            raise
        finally:
            stop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await stop
            if canceled.is_set():
                await asyncio.to_thread(self._clean_scratch)

    async def _follow(self, report: Callable[[Progress], None], note: Callable[[CacheNote], None]) -> None:
        while (message := await self._receive()) is not None:
            if "progress" in message:
                report(Progress(**message["progress"]))
            elif "cache" in message:
                note(CacheNote(**message["cache"]))
            elif "done" in message:
                return
            elif "error" in message:
                error = message["error"]
                if error["code"] == Canceled.code:
                    raise Canceled(error["detail"])
                raise JobFailed(error["detail"], code=error["code"], final=message["final"])
        code = self._process.returncode if self._process else None
        raise EngineDied(f"engine: the process ended in the middle of a job (exit code {code})")

    async def _stop_when(self, canceled: asyncio.Event) -> None:
        await canceled.wait()
        with contextlib.suppress(OSError):
            await self._send({"cancel": True})
        await asyncio.sleep(CANCEL_S)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

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
        shutil.rmtree(Path(self._settings["scratch"]), ignore_errors=True)

    async def _send(self, message: Document) -> None:
        if self._process is None or self._process.stdin is None:
            raise EngineDied("engine: it is not running")
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            # a process that just died is seen when its answer is read
            await self._process.stdin.drain()

    async def _receive(self) -> Document | None:
        if self._process is None or self._process.stdout is None:
            return None
        line = await self._process.stdout.readline()
        if not line:
            await self._process.wait()
            return None
        message: Document = json.loads(line)
        return message
