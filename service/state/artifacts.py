"""Artifacts in Redis: every change is one atomic script, fenced by the number of the attempt.

An artifact is a file that is derived from a committed result (an overlay) or from a video. It has a state of its
own, and does not change that of its job. `JobStore.commit` creates the artifacts that a job requests, in the commit's
script.
"""

import json
import time
import uuid
from dataclasses import asdict
from typing import cast

import structlog
from redis.asyncio import Redis

from dualtrack.errors import Conflict, DualtrackError, Gone, NotFound, Overloaded, Unavailable
from service.state import redis_keys
from service.state.artifact import FORMAT, OF_JOB, Artifact, ArtifactKey, ArtifactState, owner_of, parse_artifact
from service.state.connection import script, translated
from service.state.job import JobProgress, fields_of
from service.state.jobs import RETRY_AFTER_S, Deliver, keys_of_job

MOST_DUE = 1000
SCRIPTS = ("create", "begin", "update", "finish", "release")
log = structlog.get_logger()


class ArtifactStore:
    """All artifacts.

    Args:
        redis: the connection (`decode_responses=True`).
        deliver: hands an artifact to the queue.
        max_queue: maximum number of waiting artifacts that are requested; those of commits are always created.
        max_attempts: attempts without an end before an artifact fails.
        lease_s: see `JobStore`.
    """

    def __init__(self, redis: Redis, deliver: Deliver, *, max_queue: int, max_attempts: int, lease_s: float) -> None:
        self._redis, self._deliver = redis, deliver
        self._max_queue, self._max_attempts = max_queue, max_attempts
        self._alive_s, self._silent_s = lease_s / 2, lease_s * 2
        self._scripts = {name: script(redis, f"{name}_artifact") for name in SCRIPTS}

    async def create(self, key: ArtifactKey, *, missing: str = "") -> Artifact:
        """Create an artifact and hand it to the queue; one that has failed is made again, any other is returned.

        Args:
            key: of the artifact.
            missing: name of a file that no longer exists; a done artifact with this file is made again.

        Raises:
            Gone: the owner does not exist, has expired, or its video was deleted.
            Conflict: the owner is a job without a result.
            Overloaded: as many artifacts wait as may.
            NewerFormat: the artifact has a newer format.
            Unavailable: Redis can't be reached; the call may be repeated.
        """
        with translated():
            answer, stored = await self._scripts["create"](
                keys=_keys_of(key.name),
                args=[key.name, key.kind, key.options_text, time.time(), FORMAT, self._max_queue, missing],
            )
        if answer == "gone":
            raise Gone(f"{key.owner.replace(':', ' ')}: deleted or expired", code="video-deleted")
        if answer == "not-done":
            raise Conflict(f"{key.owner.replace(':', ' ')}: expected a job that is done", code="not-ready")
        if answer == "full":
            detail = f"queue: full, {self._max_queue} artifacts are waiting"
            raise Overloaded(detail, retry_after_s=RETRY_AFTER_S)
        artifact = parse_artifact(fields_of(stored))
        if artifact.state is ArtifactState.WAITING:
            # for a known one as well: the first try may have died between the two steps
            await self.hand_over(artifact.name, artifact.attempt)
        return artifact

    async def hand_over(self, name: str, attempt: int = 0) -> None:
        """Hand a waiting artifact to the queue. If this fails, `reconcile` does it later."""
        try:
            with translated():
                await self._deliver(name, f"{name}:{attempt}")
        except Unavailable as error:
            log.warning("artifact waits for its next delivery", artifact=name, code=error.code, reason=error.detail)

    async def get(self, name: str) -> Artifact:
        """The artifact.

        Raises:
            NotFound: it does not exist or has expired.
            NewerFormat: it has a newer format.
        """
        with translated():
            fields = cast("dict[str, str]", await self._redis.hgetall(redis_keys.artifact(name)))
        if not fields:
            raise NotFound(f"artifact: none has the name {name!r}")
        return parse_artifact(fields)

    async def of(self, owner: str) -> list[Artifact]:
        """The artifacts of an owner, `job:ID` or `video:ID`, oldest first. Raises `NewerFormat` like `get`."""
        with translated():
            names = cast("list[str]", await self._redis.hkeys(redis_keys.artifacts_of(owner)))
            found = [cast("dict[str, str]", await self._redis.hgetall(redis_keys.artifact(name))) for name in names]
        return sorted((parse_artifact(fields) for fields in found if fields), key=lambda each: each.created_at)

    async def counts(self) -> dict[str, int]:
        """Number of waiting and running artifacts."""
        with translated():
            waiting = await self._redis.zcard(redis_keys.ARTIFACTS_WAITING)
            running = await self._redis.zcard(redis_keys.ARTIFACTS_RUNNING)
        return {"waiting": int(waiting), "running": int(running)}

    async def due(self) -> list[str]:
        """Names of artifacts that can be begun: without a heartbeat for two leases, then waiting, oldest first."""
        with translated():
            latest = (await self._redis.time())[0] - self._silent_s
            silent = cast("list[str]", await self._redis.zrangebyscore(redis_keys.ARTIFACTS_RUNNING, 0, latest))
            waiting = cast("list[str]", await self._redis.zrange(redis_keys.ARTIFACTS_WAITING, 0, MOST_DUE - 1))
        return [*silent, *waiting]

    async def begin(self, name: str, *, holder: str = "") -> Artifact | None:
        """Start an attempt; None if there is nothing to do.

        There is nothing to do if the artifact is done, has failed or expired, was deleted with its owner, has no
        attempts left, or is held by a live attempt.

        Args:
            name: of the artifact.
            holder: identifies this call; a repeated call with the same value gets the same attempt.

        Raises:
            NewerFormat: the artifact has a newer format; it keeps waiting for a worker of a newer version.
        """
        with translated():
            answer = await self._scripts["begin"](
                keys=_keys_of(name),
                args=[
                    name,
                    time.time(),
                    holder or uuid.uuid4().hex,
                    self._alive_s,
                    self._max_attempts,
                    self._exhausted("the worker died"),
                    redis_keys.COUNTERS_TTL_S,
                    FORMAT,
                ],
            )
        return parse_artifact(fields_of(answer)) if answer else None

    async def progress(self, name: str, attempt: int, progress: JobProgress | None) -> str:
        """Heartbeat of an attempt; `ok`, or `lost` (another attempt holds the artifact, or it was deleted)."""
        text = "" if progress is None else json.dumps(asdict(progress))
        with translated():
            answer: str = await self._scripts["update"](keys=_keys_of(name), args=[name, attempt, text])
        return answer

    async def commit(self, name: str, attempt: int, file: str, size_bytes: int) -> bool:
        """The artifact is done; False if another attempt holds it, whose file counts, or it was deleted."""
        return await self._finish(name, attempt, ArtifactState.DONE, "file", file, "size_bytes", str(size_bytes))

    async def fail(self, name: str, attempt: int, error: dict[str, str]) -> bool:
        """The artifact has failed, and another attempt would, too; False as for `commit`."""
        return await self._finish(name, attempt, ArtifactState.FAILED, "error", json.dumps(error))

    async def release(self, name: str, attempt: int, failure: DualtrackError | None = None) -> bool:
        """End an attempt without a file; the artifact is redelivered unless it has no attempts left.

        Args:
            name: of the artifact.
            attempt: number of the attempt.
            failure: the error; None if the worker is shutting down, which does not count as a failure.

        Returns:
            False if another attempt holds the artifact, it was deleted, or it is done.
        """
        last = "" if failure is None else f"{failure.code}: {failure.detail}"
        with translated():
            state = await self._scripts["release"](
                keys=_keys_of(name),
                args=[
                    name,
                    attempt,
                    time.time(),
                    int(failure is not None),
                    self._max_attempts,
                    self._exhausted(last),
                    redis_keys.COUNTERS_TTL_S,
                ],
            )
        if state == ArtifactState.WAITING:
            await self.hand_over(name, attempt)
        return state not in {"lost", ArtifactState.DONE}

    async def reconcile(self) -> list[str]:
        """Redeliver artifacts that have been waiting, or without a heartbeat, for two leases; see `JobStore`."""
        with translated():
            latest = (await self._redis.time())[0] - self._silent_s
            waiting = cast("list[str]", await self._redis.zrangebyscore(redis_keys.ARTIFACTS_WAITING, 0, latest))
            silent = cast("list[str]", await self._redis.zrangebyscore(redis_keys.ARTIFACTS_RUNNING, 0, latest))
            for name in (*waiting, *silent):
                attempt = cast("str | None", await self._redis.hget(redis_keys.artifact(name), "attempt"))
                await self._deliver(name, f"{name}:{attempt or 0}")
        return [*waiting, *silent]

    def _exhausted(self, last: str) -> str:
        detail = f"artifact: {self._max_attempts} attempts ended without a file; the last: {last}"
        return json.dumps({"code": "too-many-attempts", "detail": detail})

    async def _finish(self, name: str, attempt: int, state: ArtifactState, *fields: str) -> bool:
        with translated():
            held = await self._scripts["finish"](
                keys=_keys_of(name), args=[name, attempt, state, time.time(), redis_keys.COUNTERS_TTL_S, *fields]
            )
        return bool(held)


def _keys_of(name: str) -> list[str]:
    """The keys of every script; those of a job's events only for artifacts of jobs."""
    owner = owner_of(name)
    kind, _, owner_id = owner.partition(":")
    of_owner = keys_of_job(owner_id) if kind == OF_JOB else (redis_keys.video(owner_id),)
    return [
        redis_keys.artifact(name),
        redis_keys.artifacts_of(owner),
        redis_keys.ARTIFACTS_WAITING,
        redis_keys.ARTIFACTS_RUNNING,
        redis_keys.COUNTERS,
        *of_owner,
    ]
