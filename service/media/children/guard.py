"""Children that touch a foreign file: one process per task, with limits, so that a hostile file can only hurt it.

A child gets a JSON job on standard input and answers with JSON lines: `{"progress": n}` as often as it likes, then
one `{"result": …}`, `{"error": {"code", "detail"}}` or, where the disk is full, `{"full": detail}`. What it writes to
standard error goes to that of its parent.
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
"""For a child to end after its answer."""


async def run_child(
    module: str, job: Document, *, wall_s: float, on_progress: Callable[[int], None] | None = None
) -> Document:
    """Run `python -m module` on `job`; its result.

    Args:
        module: of a child in this package.
        job: JSON.
        wall_s: seconds without any sign of life after which the child is killed.
        on_progress: called with the number of every progress line: that of the frames that are done.

    Raises:
        InvalidVideo: what the child answered, or `timeout`, or `decode-failed` if it died: how, and at which frame.
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
        grace_s = GRACE_S  # an answer, too
        raise
    except TimeoutError as error:
        raise InvalidVideo(f"video: no response from the decoder within {wall_s:.0f} s", code="timeout") from error
    finally:
        await _end(process, grace_s)
    return result


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> None:
    """Wait for a child that has answered, kill any other: to kill one that is just ending makes asyncio lose it."""
    try:
        # also reads the pipe empty, so that no transport is left open
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
    """How a process ended, by its exit code: one below 0 is that of a signal."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
