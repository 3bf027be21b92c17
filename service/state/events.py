"""Changes of jobs as they happen: every script that changes a job appends an event (`lua/common.lua`, `changed`).

A job's own stream has its events under their numbers, which are the job's versions and consecutive. Its owner's stream
has the events of all jobs of one owner; there, an event's id is a cursor from which a reader goes on. One reader per
process reads the owner's stream on one connection, and passes each event on to those who follow its job.
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
"""Of a stream: its id and its fields."""
BLOCK_MS = 2000
"""How long one read waits for events; less than the connection's deadline."""
RETRY_S = 0.5
MOST_AT_ONCE = 1000
MOST_UNREAD = 100
"""Events that are kept for one follower; further ones push out the oldest, and the job says all that they said."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One change of a job.

    Attributes:
        cursor: id in the owner's stream.
        job_id: which job.
        number: the job's version after the change; consecutive for a job.
        state: after the change.
        video_deleted: the job is gone with its video.
    """

    cursor: str
    job_id: str
    number: int
    state: JobState
    video_deleted: bool

    @property
    def last(self) -> bool:
        """Whether the job changes no more, or can't be seen any more."""
        return self.state in TERMINAL or self.video_deleted


def parse_event(cursor: str, fields: Mapping[str, str]) -> JobEvent:
    """The event of a stream's entry."""
    return JobEvent(
        cursor=cursor,
        job_id=fields["id"],
        number=int(fields["number"]),
        state=JobState(fields["state"]),
        video_deleted=fields.get("video_deleted") == "1",
    )


class Follower:
    """The events of one job for one reader of them, from when it began to follow."""

    def __init__(self) -> None:
        self._unread: asyncio.Queue[JobEvent | None] = asyncio.Queue()

    def put(self, event: JobEvent | None) -> None:
        """Pass an event on; None: some may have been missed."""
        if self._unread.qsize() >= MOST_UNREAD:
            self._unread.get_nowait()
        self._unread.put_nowait(event)

    async def next(self, seconds: float) -> JobEvent | None:
        """The next event; None after `seconds` without one, and when some may have been missed."""
        try:
            async with asyncio.timeout(seconds):
                return await self._unread.get()
        except TimeoutError:
            return None


class EventReader:
    """The one reader of an owner's stream in this process; it starts with the first follower.

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
        """The job's events from here on. Look at the job after this, not before, so that no change is missed.

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
        """Stop reading; the reader is of no use after that."""
        # a cancel alone may be dropped, see `processes/heartbeat.py`
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
        while not self._closed:
            try:
                with translated():
                    entries = await self._after(cursor)
            except Unavailable as error:
                log.warning("events can't be read, trying again", why=error.detail)
                self._wake_all()
                await asyncio.sleep(RETRY_S)
                continue
            for entry in entries:
                self._pass_on(*entry)
                cursor = entry[0]

    async def _after(self, cursor: str) -> "list[Entry]":
        """The next events, as soon as there are some; none after a while without."""
        answer = await self._redis.xread({self._stream: cursor}, count=MOST_AT_ONCE, block=BLOCK_MS)
        # one stream was read, and of each come its name and its entries
        return [entry for _, entries in cast("list[tuple[str, list[Entry]]]", answer or []) for entry in entries]

    def _pass_on(self, cursor: str, fields: Mapping[str, str]) -> None:
        try:
            event = parse_event(cursor, fields)
        except (KeyError, ValueError) as error:  # of a newer version; followers look at their job now and then
            log.warning("event not understood", cursor=cursor, why=repr(error))
            return
        for follower in self._followers.get(event.job_id, ()):
            follower.put(event)

    def _wake_all(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.put(None)
