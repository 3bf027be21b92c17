"""The child's side of `run_child`: read the job, set limits, respond.

Separate from the parent's side, because every import delays the start of a child.
"""

import ctypes
import errno
import json
import resource
import sys
from collections.abc import Callable
from typing import Any

from dualtrack.errors import InvalidVideo
from service.processes.parent import die_with_parent

PR_SET_NO_NEW_PRIVS = 38
OPEN_FILES = 64
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
Document = dict[str, Any]


def child_main(work: Callable[[Document], Document]) -> None:
    """Entry point of a child: read the job, set limits, run it, and write the result."""
    job: Document = json.loads(sys.stdin.readline())
    _confine(job["memory_bytes"], job["cpu_s"], job.get("file_bytes", 0))
    try:
        answer: Document = {"result": work(job)}
    except InvalidVideo as error:
        answer = {"error": {"code": error.code, "detail": error.detail}}
    except MemoryError:
        answer = {"error": {"code": "too-large", "detail": "video: decoding needs more memory than allowed"}}
    except OSError as error:
        if error.errno not in FULL:
            raise
        answer = {"full": f"disk: no space for the decoder's output: {error.strerror}"}
    send(answer)


def send(message: Document) -> None:
    """Write one line to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _confine(memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """Set limits on memory, time and files, disable new privileges, and die with the parent."""
    for kind, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    die_with_parent()
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
