"""Events of jobs: every script that changes a job appends one (`changed` in `lua/common.lua`).

In a job's stream, the id of an event is its number, which is the version of the job and therefore consecutive. The
owner's stream has the events of all jobs of an owner; its ids are cursors from which reading can resume. One reader per
process reads the owner's stream on one connection and forwards each event to the followers of its job.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import cast

import structlog
from redis.asyncio import Redis

from dualtrack.errors import Unavailable
from service.state import redis_keys
from service.state.connection import translated
from service.state.job import TERMINAL, JobState

log = structlog.get_logger()

Entry = tuple[str, Mapping[str, str]]
"""An entry of a stream: its id and fields."""
BLOCK_MS = 2000
"""Maximum time for which one read waits for events; less than the connection's timeout."""
RETRY_S = 0.5
MOST_AT_ONCE = 1000
MOST_UNREAD = 100
"""Maximum number of events queued for a follower; the oldest are dropped, as the job itself has the current state."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One change of a job.

    Attributes:
        cursor: id in the owner's stream.
        job_id: which job.
        number: the job's version after the change; consecutive for a job.
        state: after the change.
        video_deleted: the video of the job was deleted.
    """

    cursor: str
    job_id: str
    number: int
    state: JobState
    video_deleted: bool

    @property
    def last(self) -> bool:
        """Whether the job has ended or its video was deleted."""
        return self.state in TERMINAL or self.video_deleted


def parse_event(cursor: str, fields: Mapping[str, str]) -> JobEvent:
    """Parse an entry of a stream."""
    return JobEvent(
        cursor=cursor,
        job_id=fields["id"],
        number=int(fields["number"]),
        state=JobState(fields["state"]),
        video_deleted=fields.get("video_deleted") == "1",
    )


class Follower:
    """A queue of the events of one job since this follower was registered."""

    def __init__(self) -> None:
        self._unread: asyncio.Queue[JobEvent | None] = asyncio.Queue()

    def put(self, event: JobEvent | None) -> None:
        """Queue an event; None means that events may have been missed."""
        if self._unread.qsize() >= MOST_UNREAD:
            self._unread.get_nowait()
        self._unread.put_nowait(event)

    async def next(self, seconds: float) -> JobEvent | None:
        """The next event; None after `seconds` without one, or if events may have been missed."""
        try:
            async with asyncio.timeout(seconds):
                return await self._unread.get()
        except TimeoutError:
            return None


class EventReader:
    """The reader of an owner's stream in this process; it starts with the first follower.

    Args:
        redis: the connection (`decode_responses=True`).
        owner: whose jobs.
    """

    def __init__(self, redis: Redis, owner: str = redis_keys.OWNER) -> None:
        self._redis, self._stream = redis, redis_keys.owner_events(owner)
        self._followers: dict[str, set[Follower]] = {}
        self._starting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    @contextlib.asynccontextmanager
    async def follow(self, job_id: str) -> AsyncIterator[Follower]:
        """Follow the events of a job. Read the job after entering the block, so that no change is missed.

        Raises:
            Unavailable: Redis can't be reached.
        """
        await self._start()
        follower = Follower()
        self._followers.setdefault(job_id, set()).add(follower)
        try:
            yield follower
        finally:
            others = self._followers[job_id]
            others.discard(follower)
            if not others:
                del self._followers[job_id]

    async def close(self) -> None:
        """Stop reading; the reader can't be used again."""
        # a cancellation alone can be lost, see `processes/heartbeat.py`
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _start(self) -> None:
        async with self._starting:
            if self._reading is None or self._reading.done():
                with translated():
                    newest = cast("list[Entry]", await self._redis.xrevrange(self._stream, count=1))
                self._reading = asyncio.create_task(self._read(newest[0][0] if newest else "0-0"))

    async def _read(self, cursor: str) -> None:
        failing = False
        while not self._closed:
            try:
                with translated():
                    entries = await self._after(cursor)
            except Unavailable as error:
                if not failing:  # once per outage
                    log.warning("events can't be read, retrying", reason=error.detail)
                failing = True
                self._wake_all()
                await asyncio.sleep(RETRY_S)
                continue
            failing = False
            for entry in entries:
                self._pass_on(*entry)
                cursor = entry[0]

    async def _after(self, cursor: str) -> "list[Entry]":
        """The next events, as soon as there are any; an empty list after `BLOCK_MS` without events."""
        answer = await self._redis.xread({self._stream: cursor}, count=MOST_AT_ONCE, block=BLOCK_MS)
        # the answer has the name and the entries of each stream; only one was read
        return [entry for _, entries in cast("list[tuple[str, list[Entry]]]", answer or []) for entry in entries]

    def _pass_on(self, cursor: str, fields: Mapping[str, str]) -> None:
        try:
            event = parse_event(cursor, fields)
        except (KeyError, ValueError) as error:  # from a newer version; followers also read their job at intervals
            log.warning("event not understood", cursor=cursor, reason=repr(error))
            return
        for follower in self._followers.get(event.job_id, ()):
            follower.put(event)

    def _wake_all(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.put(None)
