"""Counters over all workers, in one Redis hash, as workers have no port for scraping.

Fields: `jobs:{state}`, ended jobs by state; `artifacts:{kind}:{state}`, ended artifacts; `failures:{cause}:{code}`,
failed attempts at jobs, with the cause `input` (another attempt would fail, too) or `service`; `seconds:{stage}:{edge}`
and `seconds:{stage}:sum`, a histogram of the duration of stages in done jobs and artifacts; `work:{stage}:seconds` and
`work:{stage}:units`, duration and amount of work of stages that were not cached. The scripts in `lua/` update the first
three together with the state.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import cast

from redis.asyncio import Redis

from service.state import redis_keys
from service.state.connection import translated

EDGES_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, float("inf"))
"""Upper edges of the histogram's buckets, seconds."""


@dataclass(frozen=True)
class StageSeconds:
    """Histogram of the duration of a stage.

    Attributes:
        up_to: number of jobs in which it took at most each of `EDGES_S`.
        total_s: total over these jobs, seconds.
    """

    up_to: tuple[int, ...]
    total_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """Duration of a stage in seconds, and amount of work in units of the stage (`service/worker/meter.py`)."""

    seconds: float
    units: float


@dataclass(frozen=True)
class Counts:
    """A snapshot of all counters.

    Attributes:
        jobs: ended jobs by state.
        artifacts: ended artifacts by kind and state.
        failures: failed attempts by cause and code.
        stages: by name of the stage.
        work: by name of the stage.
    """

    jobs: Mapping[str, int]
    artifacts: Mapping[tuple[str, str], int]
    failures: Mapping[tuple[str, str], int]
    stages: Mapping[str, StageSeconds]
    work: Mapping[str, Work]


class Counters:
    """The counters.

    Args:
        redis: the connection (`decode_responses=True`).
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def observe(self, seconds: Mapping[str, float], work: Mapping[str, Work]) -> None:
        """Record the duration of each stage of a done job or artifact.

        Args:
            seconds: of all stages.
            work: of the stages that were not cached.

        Raises:
            Unavailable: Redis can't be reached.
        """
        async with self._redis.pipeline(transaction=True) as together:
            for stage, taken in seconds.items():
                edge = EDGES_S[bisect_left(EDGES_S, taken)]
                together.hincrby(redis_keys.COUNTERS, f"seconds:{stage}:{edge:g}", 1)
                together.hincrbyfloat(redis_keys.COUNTERS, f"seconds:{stage}:sum", taken)
            for stage, done in work.items():
                together.hincrbyfloat(redis_keys.COUNTERS, f"work:{stage}:seconds", done.seconds)
                together.hincrbyfloat(redis_keys.COUNTERS, f"work:{stage}:units", done.units)
            together.expire(redis_keys.COUNTERS, redis_keys.COUNTERS_TTL_S)
            with translated():
                await together.execute()

    async def read(self) -> Counts:
        """All counters.

        Raises:
            Unavailable: Redis can't be reached.
        """
        with translated():
            fields = cast("dict[str, str]", await self._redis.hgetall(redis_keys.COUNTERS))
        return counts_of(fields)


def counts_of(fields: Mapping[str, str]) -> Counts:
    """Parse the fields of the hash."""
    jobs: dict[str, int] = {}
    artifacts: dict[tuple[str, str], int] = {}
    failures: dict[tuple[str, str], int] = {}
    seconds: dict[str, dict[str, float]] = {}
    work: dict[str, dict[str, float]] = {}
    for field, value in fields.items():
        match field.split(":"):
            case ["jobs", state]:
                jobs[state] = int(value)
            case ["artifacts", kind, state]:
                artifacts[kind, state] = int(value)
            case ["failures", cause, code]:
                failures[cause, code] = int(value)
            case ["seconds", stage, edge]:
                seconds.setdefault(stage, {})[edge] = float(value)
            case ["work", stage, what]:
                work.setdefault(stage, {})[what] = float(value)
    stages = {stage: _histogram(parts) for stage, parts in seconds.items()}
    amounts = {stage: Work(parts.get("seconds", 0.0), parts.get("units", 0.0)) for stage, parts in work.items()}
    return Counts(jobs, artifacts, failures, stages, amounts)


def _histogram(parts: Mapping[str, float]) -> StageSeconds:
    """Counts by edge -> cumulative counts; other versions of dualtrack may have used different edges."""
    each = [0] * len(EDGES_S)
    for edge, number in parts.items():
        if edge != "sum":
            each[bisect_left(EDGES_S, float(edge))] += int(number)
    return StageSeconds(tuple(accumulate(each)), parts.get("sum", 0.0))
