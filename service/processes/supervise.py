"""Keeps child processes of this program running."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import structlog

from dualtrack.errors import ConfigurationError
from service.processes.parent import die_with_parent

log = structlog.get_logger()

SHORT_LIFE_S = 20.0
MOST_SHORT_LIVES = 3
RESTART_S = 0.5


async def keep_running(command: Sequence[str], environment: Mapping[str, str], *, stop_s: float) -> None:
    """Run `command` forever, restarting it when it exits.

    On cancellation the child gets SIGTERM, and SIGKILL `stop_s` later.

    Raises:
        ConfigurationError: the child repeatedly exited with an error right after its start.
    """
    short_lives = 0
    while True:
        started = time.monotonic()
        code = await _run(command, environment, stop_s)
        log.error("child exited, restarting it", child=command[-1], code=code)
        # a negative code means it was killed by a signal, which tells nothing about the next start
        short_lives = short_lives + 1 if code > 0 and time.monotonic() - started < SHORT_LIFE_S else 0
        if short_lives == MOST_SHORT_LIVES:
            raise ConfigurationError(
                f"{command[-1]}: exited {short_lives} times right after starting, last with exit code {code}; "
                "see the output above"
            )
        await asyncio.sleep(RESTART_S)


async def _run(command: Sequence[str], environment: Mapping[str, str], stop_s: float) -> int:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        preexec_fn=die_with_parent,
        start_new_session=True,  # Ctrl-C is handled by the supervisor, which stops the child
    )
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), stop_s)
        except TimeoutError:
            process.kill()
            await process.wait()
        raise
