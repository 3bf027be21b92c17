"""Keeps child processes of this program running."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from dualtrack.errors import ConfigurationError
from service.processes.parent import die_with_parent

log = structlog.get_logger()

SHORT_LIFE_S = 20.0
MOST_SHORT_LIVES = 3
RESTART_S = 0.5


async def keep_running(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stop_s: float,
    name: str | None = None,
    descriptors: Sequence[int] = (),
    excused: Callable[[int], bool] = lambda _: False,
) -> None:
    """Run `command` forever; a child that ends is restarted.

    On cancellation the child gets SIGTERM, and SIGKILL `stop_s` later.

    Args:
        command: of the child.
        environment: of the child.
        stop_s: seconds that it may take to end.
        name: in messages; default: the command's last word.
        descriptors: open files that every child inherits, such as a listening socket, which so outlives each of them.
        excused: whether an exit code is no fault of the child or its configuration, such as that of a server which is
            away for a while.

    Raises:
        ConfigurationError: the child repeatedly exited right after its start, with an error that is not excused.
    """
    short_lives, name = 0, name or command[-1]
    while True:
        started = time.monotonic()
        code = await _run(command, environment, stop_s, descriptors)
        log.error("child exited, restarting it", child=name, code=code)
        # a negative code is a signal: it was killed, which says nothing about the next start
        at_fault = code > 0 and not excused(code)
        short_lives = short_lives + 1 if at_fault and time.monotonic() - started < SHORT_LIFE_S else 0
        if short_lives == MOST_SHORT_LIVES:
            raise ConfigurationError(
                f"{name}: exited {short_lives} times right after starting, last with exit code {code}; "
                "see the output above"
            )
        await asyncio.sleep(RESTART_S)


async def _run(
    command: Sequence[str], environment: Mapping[str, str], stop_s: float, descriptors: Sequence[int]
) -> int:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        pass_fds=descriptors,
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
