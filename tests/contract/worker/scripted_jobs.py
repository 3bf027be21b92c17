"""Jobs on the worker's handle, with an engine that follows a script."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from dualtrack.engine.handle import EngineHandle
from dualtrack.errors import DualtrackError, JobFailed
from dualtrack.protocol import SILENT_S, Cached, Step

SCRIPTED = Path(__file__).with_name("scripted_engine.py")
CANCELED = "Canceled: job: canceled"


@dataclass
class Outcome:
    """What the handle reported of a job, and how it ended."""

    steps: list[tuple[str, int]] = field(default_factory=list)
    notes: list[tuple[str, bool]] = field(default_factory=list)
    end: str = ""


@contextlib.asynccontextmanager
async def scripted(
    folder: Path, *start: str, silent_s: float | None = SILENT_S, deadline_s: float | None = None
) -> AsyncIterator[EngineHandle]:
    """A handle whose engine follows the script `start` when it starts."""
    command = [sys.executable, str(SCRIPTED), *(start or ["ready"])]
    engine = EngineHandle({"scratch": str(folder / "scratch")}, command, silent_s=silent_s, deadline_s=deadline_s)
    try:
        yield engine
    finally:
        await engine.kill()


async def run_script(
    engine: EngineHandle,
    script: str,
    *,
    name: str = "first",
    canceled: asyncio.Event | None = None,
    at_step: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run a job; `at_step` is called in the progress callback."""
    outcome = Outcome()

    def report(progress: Step) -> None:
        outcome.steps.append((progress.stage, progress.done))
        at_step()

    def note(cached: Cached) -> None:
        outcome.notes.append((cached.key, cached.checkpoint))

    try:
        await engine.run({"name": name, "script": script}, report, note, canceled or asyncio.Event())
        outcome.end = "done"
    except JobFailed as error:
        outcome.end = f"{error.code}: {error.detail}, {'final' if error.final else 'to be repeated'}"
    except DualtrackError as error:
        outcome.end = f"{type(error).__name__}: {error.detail}"
    except ValueError as error:
        outcome.end = str(error)
    return outcome


async def follow_up(engine: EngineHandle) -> None:
    """A second job on the same handle gets its own steps and its own end."""
    second = await run_script(engine, "step note step done", name="second")
    assert second == Outcome([("second", 1), ("second", 2)], [("second/clip-1", False)], "done")
