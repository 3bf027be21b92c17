"""A storm: jobs come in while worker, engine, API and Valkey are killed again and again.

Events of the jobs decide when something is killed, a seed decides what. What has to hold afterwards is in `verdict.py`.
"""

import contextlib
import itertools
import json
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from redis.exceptions import RedisError

from service.state import redis_keys
from service.state.artifact import ArtifactState
from service.state.events import JobEvent, parse_event
from service.state.job import TERMINAL, JobState
from tests.reliability.accepted import Accepted
from tests.reliability.jobs import Ask, Fate, Plan
from tests.reliability.responses import PATIENCE_S, PAUSE_S, Caller, Responses
from tests.reliability.service_processes import Service

VICTIMS = ("worker", "engine", "api", "valkey")
FEEDERS, READERS = 2, 2
MOST_WAITING = 6
"""Jobs that may be unfinished when the next one is created: so creation and work overlap."""
UNDER_WAY = (
    redis_keys.QUEUED,
    redis_keys.RUNNING,
    redis_keys.ARTIFACTS_WAITING,
    redis_keys.ARTIFACTS_RUNNING,
)
"""Sets that are empty when everything has ended."""
SPACING = (1, 6)
"""Fewest and most events of running jobs between two kills."""


def kills_of(seed: int, count: int) -> Iterator[tuple[str, int]]:
    """What is killed, and after how many further events of running jobs; all parts equally often."""
    draw = random.Random(seed)
    order = itertools.chain.from_iterable(draw.sample(VICTIMS, len(VICTIMS)) for _ in itertools.count())
    for victim in itertools.islice(order, count):
        yield victim, draw.randint(*SPACING)


@dataclass
class Storm:
    """One storm on a running service.

    Attributes:
        jobs: how many at least; more come while something is left to be killed.
        kills: what to kill, and after how many events.
    """

    service: Service
    plan: Plan
    jobs: int
    kills: Sequence[tuple[str, int]] = ()
    asks: Sequence[Ask] | None = None
    accepted: dict[str, Accepted] = field(default_factory=dict)
    events: list[JobEvent] = field(default_factory=list)
    artifacts: Counter[str] = field(default_factory=Counter)
    """How often each artifact was reported as done."""
    responses: Responses = field(default_factory=Responses)
    killed: Counter[str] = field(default_factory=Counter)
    unsure: int = 0
    """Creates without a key that may have made a job that nobody knows of."""
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._lock = threading.Condition()
        self._todo: queue.SimpleQueue[Accepted | None] = queue.SimpleQueue()
        self._running: set[str] = set()
        self._ended: set[str] = set()

    def run(self) -> None:
        """Until all jobs have ended and everything was killed."""
        with ThreadPoolExecutor() as threads:
            watcher = threads.submit(self._guarded, self._watch)
            actor = threads.submit(self._guarded, self._act)
            readers = [threads.submit(self._guarded, self._read, number) for number in range(READERS)]
            feeders = [threads.submit(self._guarded, self._feed) for _ in range(FEEDERS)]
            try:
                for each in feeders:
                    each.result()
                self._settle()
            finally:
                self._over.set()
                self._todo.put(None)
            for each in (watcher, actor, *readers):
                each.result()

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        """One thread that fails ends all."""
        try:
            work(*arguments)
        except BaseException:
            self._over.set()
            raise

    @contextlib.contextmanager
    def _caller(self) -> Iterator[Caller]:
        caller = Caller(self.service.url, self.responses)
        try:
            yield caller
        finally:
            caller.close()

    # jobs

    def _next(self) -> Ask | None:
        """The next job to create; None if there are enough."""
        if self._over.is_set():
            return None
        number = next(self._numbers)
        if self.asks is not None:
            return self.asks[number] if number < len(self.asks) else None
        enough = number >= self.jobs and sum(self.killed.values()) == len(self.kills)
        return None if enough else self.plan.ask(number)

    def _feed(self) -> None:
        with self._caller() as caller:
            while (ask := self._next()) is not None:
                self._wait_for(lambda: self._unfinished() < MOST_WAITING)
                self._create(caller, ask)

    def _create(self, caller: Caller, ask: Ask) -> None:
        made = {self._created(caller, ask) for _ in range(max(ask.times, 1))}
        if len(made) > 1:
            self.faults.append(f"job {ask.number}: several jobs under one key: {sorted(made)}")
        for job_id in made:
            job = Accepted(ask, job_id, {JobState.DONE})
            with self._lock:
                self.accepted[job_id] = job
                started = job_id in self._running
                self._lock.notify_all()
            if ask.fate is Fate.CANCEL:
                self._cancel(caller, job)
            elif started and ask.fate is not Fate.KEEP:
                self._todo.put(job)

    def _created(self, caller: Caller, ask: Ask) -> str:
        """The id of the job that the request made."""
        headers = {"Idempotency-Key": ask.key} if ask.key else {}
        while True:
            before = caller.unsure
            answer = self._asked(caller, ask, headers)
            if not ask.key:
                with self._lock:
                    self.unsure += caller.unsure - before
            if answer.status_code == 202:
                return str(answer.json()["id"])
            assert answer.status_code == 404, f"{ask}: {answer.status_code} {answer.text}"

    def _asked(self, caller: Caller, ask: Ask, headers: dict[str, str]) -> httpx.Response:
        parameters = dict(ask.parameters)
        content = ask.clip.read_bytes()
        if ask.form:
            files = {"parameters": (None, json.dumps(parameters)), "file": ("a.mp4", content)}
            return caller.call("POST", "/v1/jobs", files=files, headers=headers)
        uploaded = caller.call("POST", "/v1/videos", content=content, headers={"Content-Type": "video/mp4"})
        assert uploaded.status_code in {200, 201}, uploaded.text
        body = {"video_id": uploaded.json()["id"], "parameters": parameters}
        return caller.call("POST", "/v1/jobs", json=body, headers=headers)

    def _cancel(self, caller: Caller, job: Accepted) -> None:
        answer = caller.call("DELETE", job.path)
        state = answer.json()["state"]
        # an accepted cancellation holds; a job that had ended stays as it was
        job.expected = {state} if state in TERMINAL else {JobState.CANCELED}

    def _delete(self, caller: Caller, job: Accepted) -> None:
        answer = caller.call("DELETE", f"/v1/videos/{job.ask.video_id}")
        # 404: an earlier try whose connection broke
        assert answer.status_code in {204, 404}, answer.text
        job.expected = {"gone"}

    def _act(self) -> None:
        """What clients do to jobs that run."""
        with self._caller() as caller:
            while (job := self._todo.get()) is not None:
                if job.ask.fate is Fate.CANCEL_RUNNING:
                    self._cancel(caller, job)
                elif job.ask.fate is Fate.DELETE:
                    self._delete(caller, job)

    # what happens

    def _watch(self) -> None:
        """Read the events of all jobs, and kill when it is time."""
        kills = iter(self.kills)
        victim, left = next(kills, ("", 0))
        for event, fields in self._read_events():
            with self._lock:
                self.events.append(event)
                if fields.get("artifact_state") == ArtifactState.DONE:
                    self.artifacts[fields["artifact"]] += 1
                if event.last:
                    self._ended.add(event.job_id)
                first = event.state is JobState.RUNNING and event.job_id not in self._running
                if first:
                    self._running.add(event.job_id)
                job = self.accepted.get(event.job_id)
                self._lock.notify_all()
            if first and job is not None and job.ask.fate in {Fate.CANCEL_RUNNING, Fate.DELETE}:
                self._todo.put(job)
            left -= event.state is JobState.RUNNING
            if victim and left <= 0:
                self.service.kill(victim)
                self.killed[victim] += 1
                victim, left = next(kills, ("", 0))

    def _read_events(self) -> Iterator[tuple[JobEvent, dict[str, str]]]:
        """The owner's events and their fields, each once, over all restarts of Valkey."""
        stream, cursor = redis_keys.owner_events(redis_keys.OWNER), "0-0"
        with self.service.redis() as redis:
            while not self._over.is_set():
                try:
                    found = redis.xread({stream: cursor}, count=100, block=200)
                except (RedisError, OSError):
                    time.sleep(PAUSE_S)
                    continue
                for _, entries in cast("list[Any]", found or []):
                    for cursor, fields in entries:
                        yield parse_event(cursor, fields), fields

    def _read(self, number: int) -> None:
        """Follow jobs by long polls: versions only rise, and what has ended stays as it is."""
        versions: dict[str, tuple[int, str]] = {}
        draw = random.Random(number)
        with self._caller() as caller:
            while not self._over.is_set():
                with self._lock:
                    jobs = list(self.accepted.values())[-2 * MOST_WAITING :]
                if not jobs:
                    time.sleep(PAUSE_S)
                    continue
                job = draw.choice(jobs)
                known, state = versions.get(job.job_id, (0, ""))
                answer = caller.call("GET", job.path, params={"wait": 1, "version": known})
                if answer.status_code == 410:
                    continue
                now = answer.json()
                if now["version"] < known or (state in TERMINAL and now["state"] != state):
                    self.faults.append(f"job {job.job_id}: {state} {known}, then {now['state']} {now['version']}")
                versions[job.job_id] = (now["version"], now["state"])
                time.sleep(PAUSE_S / 2)

    # the end

    def _unfinished(self) -> int:
        return len(self.accepted.keys() - self._ended)

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        with self._lock:
            while not (condition() or self._over.is_set()):
                assert time.monotonic() < deadline, f"{self._unfinished()} jobs wait, {self.killed} killed"
                self._lock.wait(1)

    def _settle(self) -> None:
        """Until every accepted job has ended, as its own address says, and all of its result is there."""
        with self._caller() as caller:
            for job in list(self.accepted.values()):
                if not self._over.is_set():
                    job.follow(caller)
        # also jobs whose create was not answered, and what is drawn of theirs
        with self.service.redis() as redis:
            self._wait_for(lambda: not any(redis.exists(name) for name in UNDER_WAY))
            [(newest, _)] = redis.xrevrange(redis_keys.owner_events(redis_keys.OWNER), count=1)
        self._wait_for(lambda: self.events[-1].cursor == newest)
