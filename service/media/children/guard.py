"""Child processes that handle untrusted files: one per task, with limits, so that a malicious file only affects it.

A child gets a JSON job on standard input and responds with JSON lines: any number of `{"progress": n}`, then one
`{"result": …}`, `{"error": {"code", "detail"}}` or, if the file is not at fault, `{"unavailable": {"code", "detail"}}`.
Its standard error is that of the parent.

Final are only errors that the file causes: an error that the child reports, a crash, one of our limits that it exceeds,
processor time without progress. A child that is killed from outside (out of memory, an operator), gets no processor
time on a busy machine, or waits for a disk that does not respond, makes the job `Unavailable`, which is retried.
"""

import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

from dualtrack.children import confined_environment, python_command
from dualtrack.cpu_time import own_s
from dualtrack.error_codes import error_of_code
from dualtrack.errors import InvalidDetections, InvalidInput, InvalidVideo, Unavailable

Document = dict[str, Any]
GRACE_S = 5.0
"""Time for a child to exit after its result."""
LINE_BYTES = 8 << 20
"""Most of one line: the categories of a file of detections are 5000 names at most."""


class Subject(NamedTuple):
    """What a child works on: its name in errors, what its program is called there, and how it is refused."""

    name: str
    program: str
    refused: Callable[[str, str], InvalidInput]


VIDEO = Subject("video", "the decoder", lambda detail, code: InvalidVideo(detail, code=code))
DETECTIONS = Subject("detections", "the reader", lambda detail, _: InvalidDetections(detail))
OWN_SIGNALS = frozenset(
    {
        signal.SIGXCPU,
        signal.SIGXFSZ,
        # crashes; libraries that get no more memory end in them, too
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSEGV,
        signal.SIGSYS,
        signal.SIGTRAP,
    }
)
"""What a child brings on itself; every other signal comes from outside."""
BUSY_SHARE = 0.5
"""Of `wall_s`: a child that has used so much processor time without a message is stuck in the file."""
MOST_WAITS = 10
"""Times `wall_s` that a child without a message may take while it gets a little processor time now and then."""


async def run_child(
    module: str,
    job: Document,
    *,
    wall_s: float,
    on_progress: Callable[[int], None] | None = None,
    subject: Subject = VIDEO,
) -> Document:
    """Run `python -m module` on `job`, and return its result.

    Args:
        module: of a child in this package.
        job: JSON.
        wall_s: seconds without a message after which the child is looked at, and killed if it is not just slow
            because the machine is busy.
        on_progress: called with the number of every progress line: that of the frames that are done.
        subject: what the job's file is.

    Raises:
        InvalidVideo: what the child answered, or `timeout`, or `decode-failed` if it died: how, and at which frame.
        InvalidDetections: the same of a file of detections.
        Unavailable: not the file's fault: the disk is full, the child was killed from outside or got no turn.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *python_command(module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=confined_environment(),
            limit=LINE_BYTES,
        )
    except OSError as error:
        raise Unavailable(f"{subject.name}: {subject.program} can't be started: {error}") from error
    grace_s = 0.0
    try:
        result = await _converse(process, job, wall_s, on_progress, subject)
        grace_s = GRACE_S
    except (InvalidInput, Unavailable):
        grace_s = GRACE_S  # the child has responded, too
        raise
    except _Silent as error:
        raise error.verdict from None
    finally:
        await _end(process, grace_s)
    return result


class _Silent(Exception):
    """A child that has not answered and must be killed at once; `verdict` is what callers are given."""

    def __init__(self, verdict: InvalidInput | Unavailable) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


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
    process: asyncio.subprocess.Process,
    job: Document,
    wall_s: float,
    on_progress: Callable[[int], None] | None,
    subject: Subject,
) -> Document:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("child: started without pipes")
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.close()
    began = False
    done: int | None = None
    while line := await _line(process, process.stdout, wall_s, subject):
        message: Document = json.loads(line)
        if "began" in message:
            began = True
        elif "progress" in message:
            done = message["progress"]
            if on_progress is not None:
                on_progress(message["progress"])
        elif "result" in message:
            result: Document = message["result"]
            return result
        elif "error" in message:
            raise error_of_code(message["error"]["code"], message["error"]["detail"])
        elif "unavailable" in message:
            raise error_of_code(message["unavailable"]["code"], message["unavailable"]["detail"])
    raise _died(await process.wait(), subject, began=began, done=done, cpu_s=job["cpu_s"])


async def _line(
    process: asyncio.subprocess.Process, output: asyncio.StreamReader, wall_s: float, subject: Subject
) -> bytes:
    """The child's next line; nothing at the end of its output.

    Raises:
        _Silent: it comes no more, or not in time.
    """
    who = f"{subject.name}: {subject.program}"
    before = last = own_s(process.pid)
    reading = asyncio.ensure_future(output.readline())
    try:
        for _ in range(MOST_WAITS):
            if (await asyncio.wait({reading}, timeout=wall_s))[0]:
                return reading.result()
            now = own_s(process.pid)
            if now - before >= BUSY_SHARE * wall_s:
                detail = f"{subject.name}: no response from {subject.program} within {wall_s:g} s"
                raise _Silent(subject.refused(detail, "timeout"))
            if now == last:
                raise _Silent(Unavailable(f"{who} got no processor time within {wall_s:g} s"))
            last = now
        long = f"no response from {subject.program} within {MOST_WAITS * wall_s:g} s"
        raise _Silent(Unavailable(f"{subject.name}: the machine is too busy: {long}"))
    finally:
        reading.cancel()


def _died(code: int, subject: Subject, *, began: bool, done: int | None, cpu_s: int) -> InvalidInput | Unavailable:
    """What it means that a child ended without an answer.

    Args:
        code: its exit code; one below 0 is that of a signal.
        subject: of the job.
        began: it had begun to work on the file.
        done: frames that were done.
        cpu_s: its limit.
    """
    who = f"{subject.name}: {subject.program}"
    where = "" if done is None else f" at {'frame' if subject == VIDEO else 'record'} {done}"
    if code == -signal.SIGXCPU:
        return subject.refused(f"{who} needed more than {cpu_s} s of processor time{where}", "timeout")
    how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
    text = f"{who} exited{where} without a result ({how})"
    if began if code >= 0 else -code in OWN_SIGNALS:
        return subject.refused(text, "decode-failed")
    return Unavailable(text)
