"""Child processes that handle untrusted files: one per task, with limits, so that a malicious file only affects it.

A child gets a JSON job on standard input and responds with JSON lines: any number of `{"progress": n}`, then one
`{"result": …}`, `{"error": {"code", "detail"}}` or, if the disk is full, `{"full": detail}`. Its standard error is
that of the parent.
"""

import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

from dualtrack.children import confined_environment, python_command
from dualtrack.errors import InvalidVideo, Unavailable

Document = dict[str, Any]
GRACE_S = 5.0
"""Time for a child to exit after its result."""


async def run_child(
    module: str, job: Document, *, wall_s: float, on_progress: Callable[[int], None] | None = None
) -> Document:
    """Run `python -m module` on `job`, and return its result.

    Args:
        module: of a child in this package.
        job: as JSON.
        wall_s: seconds without output after which the child is killed.
        on_progress: called with the number in every progress line, the number of frames done.

    Raises:
        InvalidVideo: the child's error, `timeout`, or `decode-failed` if it died, with the cause and the frame.
        Unavailable: the disk is full.
    """
    process = await asyncio.create_subprocess_exec(
        *python_command(module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=confined_environment(),
    )
    grace_s = 0.0
    try:
        result = await _converse(process, job, wall_s, on_progress)
        grace_s = GRACE_S
    except (InvalidVideo, Unavailable):
        grace_s = GRACE_S  # the child has responded, too
        raise
    except TimeoutError as error:
        raise InvalidVideo(f"video: no response from the decoder within {wall_s:.0f} s", code="timeout") from error
    finally:
        await _end(process, grace_s)
    return result


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> None:
    """Wait for a child that has responded, kill any other; asyncio loses a child that is killed while exiting."""
    try:
        # also drains the pipe, so that no transport is left open
        await asyncio.wait_for(process.communicate(), grace_s)
    except TimeoutError:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _converse(
    process: asyncio.subprocess.Process, job: Document, wall_s: float, on_progress: Callable[[int], None] | None
) -> Document:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("child: started without pipes")
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.close()
    done: int | None = None
    while line := await asyncio.wait_for(process.stdout.readline(), wall_s):
        message: Document = json.loads(line)
        if "progress" in message:
            done = message["progress"]
            if on_progress is not None:
                on_progress(message["progress"])
        elif "result" in message:
            result: Document = message["result"]
            return result
        elif "error" in message:
            raise InvalidVideo(message["error"]["detail"], code=message["error"]["code"])
        elif "full" in message:
            raise Unavailable(message["full"], code="disk-full")
    where = "" if done is None else f" at frame {done}"
    how = _ending(await process.wait())
    raise InvalidVideo(f"video: the decoder exited{where} without a result ({how})", code="decode-failed")


def _ending(code: int) -> str:
    """How a process ended, by its exit code; negative codes are signals."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
