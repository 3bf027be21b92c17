"""What a program does before the imports that take seconds."""

import os
import signal
import sys

TERMINATED = 128 + signal.SIGTERM


def end_at_sigterm() -> None:
    """Let SIGTERM end this process until it handles the signal itself, also if it is the first one of a container.

    The kernel discards a SIGTERM that the first process has no handler for, and the container would be killed at the
    end of its grace period. Elsewhere the default action does the same faster.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
