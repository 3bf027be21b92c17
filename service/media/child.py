"""Children that touch a foreign file: one process per task, with limits, so that a hostile file can only hurt it.

A child gets a JSON job on standard input and answers with JSON lines: `{"progress": n}` as often as it likes, then
one `{"result": …}` or `{"error": {"code", "detail"}}`.
"""

import asyncio
import ctypes
import json
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from service.errors import InvalidVideo

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
OPEN_FILES = 64
Document = dict[str, Any]


async def run_child(
    module: str, job: Document, *, wall_s: float, on_progress: Callable[[int], None] | None = None
) -> Document:
    """Run `python -m module` on `job`; its result.

    Args:
        module: of a child in this package.
        job: JSON.
        wall_s: seconds without any sign of life after which the child is killed.
        on_progress: called with the number of every progress line.

    Raises:
        InvalidVideo: what the child answered, or `timeout`, or `decode-failed` if it died.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        return await _converse(process, job, wall_s, on_progress)
    except TimeoutError as error:
        raise InvalidVideo(f"video: no answer from the decoder within {wall_s:.0f} s", code="timeout") from error
    finally:
        if process.returncode is None:
            process.kill()
        # also reads the pipes empty, so that no transport is left open
        await process.communicate()


async def _converse(
    process: asyncio.subprocess.Process, job: Document, wall_s: float, on_progress: Callable[[int], None] | None
) -> Document:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("child: started without pipes")
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.close()
    while line := await asyncio.wait_for(process.stdout.readline(), wall_s):
        message: Document = json.loads(line)
        if "progress" in message and on_progress is not None:
            on_progress(message["progress"])
        elif "result" in message:
            result: Document = message["result"]
            return result
        elif "error" in message:
            raise InvalidVideo(message["error"]["detail"], code=message["error"]["code"])
    code = await process.wait()
    raise InvalidVideo(f"video: the decoder stopped without an answer (exit code {code})", code="decode-failed")


def child_main(work: Callable[[Document], Document]) -> None:
    """Entry point of a child: read the job, set the limits, answer."""
    job: Document = json.loads(sys.stdin.readline())
    _confine(job["memory_bytes"], job["cpu_s"], job.get("file_bytes", 0))
    try:
        answer: Document = {"result": work(job)}
    except InvalidVideo as error:
        answer = {"error": {"code": error.code, "detail": error.detail}}
    except MemoryError:
        answer = {"error": {"code": "too-large", "detail": "video: decoding needs more memory than allowed"}}
    say(answer)


def say(message: Document) -> None:
    """Write one line to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _confine(memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """Limits on memory, time, files; no new privileges; dies with its parent."""
    for kind, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
