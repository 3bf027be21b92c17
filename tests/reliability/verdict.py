"""What has to hold after a storm: nothing lost, nothing committed twice, the same bytes, nothing left over."""

import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from service.artifacts.overlay import KIND as OVERLAY
from service.state import redis_keys
from service.state.blobs import STALE_PART_S, BlobStore
from service.state.events import JobEvent
from service.state.job import TERMINAL, JobState
from tests.integration.api.api_service import wait_for
from tests.reliability.responses import PATIENCE_S
from tests.reliability.service_processes import Service
from tests.reliability.storm import Storm

DAY_S = 24 * 3600


@dataclass
class Verdict:
    """Figures of a storm; the lists name what should not be."""

    jobs: int = 0
    killed: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    events: int = 0
    attempts: int = 0
    overlays: int = 0
    compared: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    broken_connections: int = 0
    lost: list[str] = field(default_factory=list)
    committed_twice: list[str] = field(default_factory=list)
    other_bytes: list[str] = field(default_factory=list)
    event_gaps: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    wrong_responses: list[str] = field(default_factory=list)

    def complaints(self) -> dict[str, list[str]]:
        """All that should not be."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, list) and value}


def judge(storm: Storm, undisturbed: Mapping[str, tuple[str, ...]]) -> Verdict:
    """Compare a storm that is over, on a service that still runs, with what should be.

    Args:
        storm: the storm.
        undisturbed: digests of the results of jobs that nothing disturbed, by `Ask.content`.
    """
    verdict = Verdict(
        jobs=len(storm.accepted),
        killed=dict(storm.killed),
        events=len(storm.events),
        overlays=storm.artifacts.total(),
        statuses={str(status): count for status, count in sorted(storm.responses.statuses.items())},
        broken_connections=storm.responses.broken,
    )
    _look_at_states(storm, verdict)
    _look_at_events(storm, verdict)
    _look_at_commits(storm, verdict)
    _look_at_bytes(storm, undisturbed, verdict)
    _look_at_files(storm, verdict)
    verdict.wrong_responses = [*storm.responses.wrong, *storm.faults]
    return verdict


def _look_at_states(storm: Storm, verdict: Verdict) -> None:
    states: dict[str, int] = defaultdict(int)
    for job in storm.accepted.values():
        state = job.last["state"]
        states[state] += 1
        verdict.attempts += job.last.get("attempt", 0)
        if state not in job.expected:
            verdict.lost.append(f"job {job.job_id}: {state} {job.last.get('error')}, expected {sorted(job.expected)}")
    verdict.states = dict(states)
    with storm.service.redis() as redis:
        known = {key.removeprefix(redis_keys.JOB_HEAD) for key in redis.scan_iter(f"{redis_keys.JOB_HEAD}*")}
        for job_id in storm.accepted.keys() - known:
            verdict.lost.append(f"job {job_id}: nothing is known of it")
        others = known - storm.accepted.keys()
        if len(others) > storm.unsure:
            verdict.lost.append(f"{len(others)} jobs that nobody created, at most {storm.unsure} were possible")
        for job_id in others:
            if (state := redis.hget(redis_keys.job(job_id), "state")) not in TERMINAL:
                verdict.lost.append(f"job {job_id}, whose create was not answered: {state}")


def _by_job(storm: Storm) -> Mapping[str, list[JobEvent]]:
    found = defaultdict(list)
    for event in storm.events:
        found[event.job_id].append(event)
    return found


def _look_at_events(storm: Storm, verdict: Verdict) -> None:
    for job_id, events in _by_job(storm).items():
        numbers = [event.number for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            verdict.event_gaps.append(f"job {job_id}: {numbers}")


def _look_at_commits(storm: Storm, verdict: Verdict) -> None:
    """One end of each job in its events, and as many in the counters, which the same scripts count."""
    ends: dict[str, int] = defaultdict(int)
    for job_id, events in _by_job(storm).items():
        states = [event.state for event in events]
        changes = [now for before, now in zip(["", *states], states) if now != before and now in TERMINAL]
        if len(changes) > 1:
            verdict.committed_twice.append(f"job {job_id}: {changes}")
        for state in changes:
            ends[state] += 1
    with storm.service.redis() as redis:
        for state in TERMINAL:
            counted = int(redis.hget(redis_keys.COUNTERS, f"jobs:{state}") or 0)
            if counted != ends[state]:
                verdict.committed_twice.append(f"{counted} jobs were counted as {state}, {ends[state]} by their events")
        counted = int(redis.hget(redis_keys.COUNTERS, f"artifacts:{OVERLAY}:done") or 0)
        if counted != storm.artifacts.total() or max(storm.artifacts.values(), default=0) > 1:
            verdict.committed_twice.append(f"{counted} overlays were counted, by their events {storm.artifacts}")


def _look_at_bytes(storm: Storm, undisturbed: Mapping[str, tuple[str, ...]], verdict: Verdict) -> None:
    for job in storm.accepted.values():
        if job.digests:
            verdict.compared += 1
            expected = undisturbed[job.ask.content]
            if job.digests != expected:
                verdict.other_bytes.append(f"job {job.job_id}: {job.ask.content}: {job.digests}, expected {expected}")


def _look_at_files(storm: Storm, verdict: Verdict) -> None:
    data = storm.service.folder
    results = data / "blobs" / "results"
    done = [job for job in storm.accepted.values() if job.last["state"] == JobState.DONE]
    expected = {f"{job.job_id}/{job.last['attempt']}" for job in done}
    found = {str(path.relative_to(results)) for path in results.glob("*/*")}
    known = {path for path in found if path.partition("/")[0] in storm.accepted}
    verdict.left_over += [f"results: {each}" for each in sorted(known - expected)]
    verdict.lost += [f"results: {each} is not there" for each in sorted(expected - found)]
    overlays = sorted(path.parts[-3] for path in (data / "blobs" / "artifacts").glob("*/*/*"))
    wanted = sorted(f"job-{job.job_id}" for job in done if dict(job.ask.parameters)["overlay"])
    known = [each for each in overlays if each.removeprefix("job-") in storm.accepted]
    if known != wanted:
        verdict.left_over.append(f"overlays: {known}, expected {wanted}")
    # an upload that a killed API left is removed when it is old enough not to be under way
    for part in (data / "blobs" / "parts").iterdir():
        os.utime(part, (part.stat().st_mtime - 2 * STALE_PART_S,) * 2)
    BlobStore(data / "blobs").sweep(DAY_S)
    verdict.left_over += [str(path) for path in data.rglob("*.part")]


def look_at_rest(service: Service, verdict: Verdict) -> None:
    """Stop the service; what is left of its processes and their folders."""
    scratch = service.folder / "scratch"
    # the folders of killed workers, whose locks are free
    wait_for(lambda: len(list(scratch.glob("*.lock"))) <= len(service.pids("worker")), PATIENCE_S)
    code = service.stop()
    if code != 0:
        verdict.left_over.append(f"the supervisor ended with {code}")
    with contextlib.suppress(AssertionError):
        wait_for(lambda: not service.processes(), PATIENCE_S)
    for pid in service.processes():
        verdict.left_over.append(f"process {pid}: {Path(f'/proc/{pid}/cmdline').read_bytes()!r}")
        os.kill(pid, signal.SIGKILL)
    verdict.left_over += [str(path) for path in scratch.rglob("*")]
