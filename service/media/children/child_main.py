"""The child's side of `run_child`: read the job, set limits, respond.

Separate from the parent's side, because every import delays the start of a child.
"""

import ctypes
import errno
import json
import os
import resource
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from dualtrack.errors import InvalidInput, InvalidVideo
from service.processes.parent import die_with_parent

PR_SET_NO_NEW_PRIVS = 38
OPEN_FILES = 64
CPU_GRACE_S = 5
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
Document = dict[str, Any]


NO_MEMORY = InvalidVideo("video: decoding needs more memory than allowed", code="too-large")


def child_main(work: Callable[[Document], Document], no_memory: InvalidInput = NO_MEMORY) -> None:
    """Entry point of a child: read the job, set limits, run it, and write the result.

    Args:
        work: does the job.
        no_memory: the error if it needs more memory than allowed.
    """
    line = sys.stdin.readline()
    if not line:
        _end_alone()
    job: Document = json.loads(line)
    _confine(job["memory_bytes"], job["cpu_s"], job.get("file_bytes", 0))
    try:
        send({"began": True})
    except BrokenPipeError:
        _end_alone()
    try:
        answer: Document = {"result": work(job)}
    except InvalidInput as error:
        answer = _refusal(error)
    except MemoryError:
        answer = _refusal(no_memory)
    except OSError as error:
        full = error.errno in FULL
        if type(error).__module__.startswith("av.") and not full:  # PyAV's own errors are OSErrors, too
            raise
        what = f"no space for the decoder's output: {error.strerror}" if full else str(error)
        answer = {"unavailable": {"code": "disk-full" if full else "unavailable", "detail": f"disk: {what}"}}
    send(answer)


def _end_alone() -> NoReturn:
    """End without a traceback: the parent ended, as on Ctrl-C, before this process could arrange to end with it."""
    os._exit(1)


def _refusal(error: InvalidInput) -> Document:
    return {"error": {"code": error.code, "detail": error.detail}}


def send(message: Document) -> None:
    """Write one line to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _confine(memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """Set limits on memory, time and files, disable new privileges, and die with the parent."""
    for kind, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    # the soft limit's signal is SIGXCPU; at the hard one comes SIGKILL, as from outside
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + CPU_GRACE_S))
    die_with_parent()
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
