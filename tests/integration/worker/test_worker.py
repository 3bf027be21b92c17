"""Real Valkey, real workers as processes, a fake engine: nothing is lost, nothing is done twice."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from service.media.video_info import VideoInfo
from service.state import redis_keys
from service.state.job import FORMAT, TERMINAL, Job, JobState
from service.state.jobs import JobStore
from service.state.videos import Video
from service.wiring import Parts
from tests.integration.api.api_service import Api, running, wait_for
from tests.support.patience import PATIENCE_S, get
from tests.support.results import STORED


@dataclass
class Bench:
    api: Api
    folder: Path
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start_worker(self, lease_s: float = PATIENCE_S) -> "subprocess.Popen[bytes]":
        """A worker; with the default lease it counts as alive however seldom it has its turn."""
        environment = {
            **os.environ,
            "DUALTRACK_REDIS_URL": self.api.redis_url,
            "DUALTRACK_DATA_DIR": str(self.folder),
            "DUALTRACK_MODEL_REPOSITORY": str(self.folder / "models"),
            "DUALTRACK_LEASE_S": str(lease_s),
            "DUALTRACK_LIVENESS_FILE": str(self.folder / "alive"),
        }
        command = [sys.executable, "-m", "tests.integration.worker.worker_process"]
        with (self.folder / f"worker{len(self.workers)}.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.workers.append(process)
        return process

    def submit(self, what: str, info: dict[str, Any] | None = None) -> str:
        digest = hashlib.sha256(what.encode()).hexdigest()

        async def make(parts: Parts) -> str:
            content = self.folder / digest
            content.write_text(what)
            await parts.videos.add(Video(digest, len(what), None, info or {}, time.time()), content)
            job, _ = await parts.jobs.create(digest, {})
            return job.id

        return str(self.api.act(make))

    def job(self, job_id: str) -> Job:
        return self.api.act(lambda parts: parts.jobs.get(job_id))

    def write(self, job_id: str, **fields: str) -> None:
        """Change fields of a job's hash."""

        async def change(parts: Parts) -> None:
            await parts.redis.hset(redis_keys.job(job_id), mapping=fields)

        self.api.act(change)

    def until(self, job_id: str, condition: Callable[[Job], bool]) -> Job:
        wait_for(lambda: condition(self.job(job_id)))
        return self.job(job_id)

    def until_ready(self, http: httpx.Client) -> dict[str, Any]:
        """What /readyz says once it is ready."""
        wait_for(lambda: http.get("/readyz").status_code == 200)
        answer: dict[str, Any] = http.get("/readyz").json()
        return answer

    def series(self) -> dict[str, float]:
        """The metrics of the API by series."""
        lines = get(f"{self.api.url}/metrics", trust_env=False).text.splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def results(self, job_id: str) -> list[Path]:
        return sorted((self.folder / "blobs" / "results").glob(f"{job_id}/*/{STORED}"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with running(tmp_path) as api:
        made = Bench(api, tmp_path)
        try:
            yield made
        finally:
            for process in made.workers:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()


def ended(job: Job) -> bool:
    return job.state in TERMINAL


def running_now(job: Job) -> bool:
    return job.progress is not None and job.state is JobState.RUNNING


def test_job_is_done_and_reports_progress(bench: Bench) -> None:
    bench.start_worker()
    job_id = bench.submit("ok 12")
    seen = bench.until(job_id, running_now)
    assert seen.progress is not None
    assert seen.progress.stage == "detect"
    job = bench.until(job_id, ended)
    assert (job.state, job.attempt) == (JobState.DONE, 1)
    assert job.result == f"results/{job_id}/1"
    assert job.progress is None  # of a running job only
    assert len(bench.results(job_id)) == 1
    wait_for(lambda: 'dualtrack_stage_seconds_count{stage="detect"}' in bench.series())
    wait_for(lambda: bench.series()["dualtrack_workers"] == 1)
    series = bench.series()
    assert series['dualtrack_jobs_ended_total{state="done"}'] == 1
    assert series['dualtrack_stage_seconds_count{stage="detect"}'] == 1
    # the engine sleeps 0.1 s after each of its 12 steps
    assert series['dualtrack_stage_seconds_sum{stage="detect"}'] > 1.1
    assert series['dualtrack_stage_seconds_bucket{le="1.0",stage="detect"}'] == 0
    assert series['dualtrack_stage_seconds_bucket{le="+Inf",stage="detect"}'] == 1
    assert not [name for name, value in series.items() if name.startswith("dualtrack_attempt_failures") and value]


def test_a_job_of_a_newer_version_waits_for_it_and_holds_no_other_up(bench: Bench) -> None:
    job_id, other = bench.submit("ok 2"), bench.submit("ok 1")
    bench.write(job_id, format=str(FORMAT + 1))
    answer = get(f"{bench.api.url}/v1/jobs/{job_id}", trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (503, "newer-format")
    # the job is delivered again after two leases
    bench.start_worker(lease_s=3)
    assert bench.until(other, ended).state is JobState.DONE
    log = bench.folder / "worker0.log"
    wait_for(lambda: "job left to a newer version" in log.read_text())
    assert f"job {job_id}: its format 3 is newer than 2" in log.read_text()
    bench.write(job_id, format=str(FORMAT))  # now the worker is of the newer version
    job = bench.until(job_id, ended)
    assert (job.state, job.attempt) == (JobState.DONE, 1)


def test_what_a_stage_took_is_kept_for_later_jobs(bench: Bench) -> None:
    bench.start_worker()
    info = VideoInfo("mp4", "h264", 64, 48, 12, 1.2, 10.0, 0, False, 5).to_json()
    assert bench.until(bench.submit("ok 12", info), ended).state is JobState.DONE
    wait_for(lambda: bench.api.act(lambda parts: parts.counters.read()).work != {})
    work = bench.api.act(lambda parts: parts.counters.read()).work
    assert {stage: done.units for stage, done in work.items()} == {"detect": 12}
    assert work["detect"].seconds > 1


def test_bad_video_fails_at_once_with_the_reason(bench: Bench) -> None:
    bench.start_worker()
    job = bench.until(bench.submit("bad"), ended)
    assert (job.state, job.attempt) == (JobState.FAILED, 1)
    assert job.error == {"code": "malformed", "detail": "video: bad"}
    series = bench.series()
    assert series['dualtrack_attempt_failures_total{cause="input",code="malformed"}'] == 1
    assert series['dualtrack_jobs_ended_total{state="failed"}'] == 1


def test_what_a_job_cached_is_listed_under_its_video(bench: Bench) -> None:
    bench.start_worker()
    job = bench.until(bench.submit("cache"), ended)
    (entry,) = bench.api.act(lambda parts: parts.cache.entries(job.video_id))
    assert (job.state, entry.stage, entry.size_bytes) == (JobState.DONE, "detections", 7)


def test_what_a_job_cached_after_its_video_was_deleted_goes_too(bench: Bench) -> None:
    bench.start_worker()
    job = bench.until(bench.submit("cache 10"), running_now)
    # only what is known of it: the job is to reach its end
    bench.api.act(lambda parts: parts.redis.delete(redis_keys.video(job.video_id)))
    bench.until(job.id, ended)
    assert bench.api.act(lambda parts: parts.cache.entries(job.video_id)) == []
    assert not (bench.api.settings.cache_dir / job.video_id).exists()


def test_poison_job_fails_after_three_attempts_and_others_go_on(bench: Bench) -> None:
    bench.start_worker()
    poison, fine = bench.submit("die"), bench.submit("ok 2")
    job = bench.until(poison, ended)
    assert (job.state, job.attempt) == (JobState.FAILED, 3)
    assert job.error is not None
    assert job.error["code"] == "too-many-attempts"
    assert bench.until(fine, ended).state is JobState.DONE
    assert not bench.results(poison)
    series = bench.series()
    assert series['dualtrack_attempt_failures_total{cause="service",code="engine-died"}'] == 3
    assert series['dualtrack_jobs_ended_total{state="failed"}'] == 1


def test_a_fault_of_the_worker_itself_ends_the_attempt_and_others_go_on(bench: Bench) -> None:
    bench.start_worker()
    faulty, fine = bench.submit("odd"), bench.submit("ok 2")
    job = bench.until(faulty, ended)
    assert (job.state, job.attempt) == (JobState.FAILED, 3)
    assert job.error is not None
    assert "the last: internal: " in job.error["detail"]
    assert bench.until(fine, ended).state is JobState.DONE
    assert not bench.results(faulty)
    assert bench.series()['dualtrack_attempt_failures_total{cause="service",code="internal"}'] == 3
    log = (bench.folder / "worker0.log").read_text()
    assert log.count("attempt failed") == 3
    assert "Traceback" in log
    assert "OverflowError" in log


def test_attempts_that_get_further_do_not_count(bench: Bench) -> None:
    bench.start_worker()
    job = bench.until(bench.submit("climb 5"), ended)
    assert (job.state, job.attempt) == (JobState.DONE, 6)


def test_attempts_that_reach_the_same_checkpoint_again_count(bench: Bench) -> None:
    bench.start_worker()
    job = bench.until(bench.submit("stuck 5"), ended)
    assert (job.state, job.attempt) == (JobState.FAILED, 1 + 3)
    assert job.error is not None
    assert job.error["code"] == "too-many-attempts"


def test_a_worker_that_dies_after_a_new_checkpoint_does_not_count(bench: Bench) -> None:
    job_id = bench.submit("ok")

    async def deaths(parts: Parts) -> list[int]:
        """Numbers of the attempts at a job whose workers die, all but the last three after a new checkpoint."""
        store = JobStore(parts.redis, _undelivered, max_queue=9, max_attempts=3, ttl_s=60, lease_s=0)
        attempts = []
        for checkpoint in ("a", "b", "c", "d", "a", "d", "b", "a"):
            if (job := await store.begin(job_id)) is None:
                break
            attempts.append(job.attempt)
            assert await store.progress(job_id, job.attempt, None, [checkpoint]) == "ok"
        return attempts

    assert bench.api.act(deaths) == [1, 2, 3, 4, 5, 6, 7]
    assert bench.job(job_id).state is JobState.FAILED


def test_deliveries_name_the_task_as_earlier_versions_did(bench: Bench) -> None:
    bench.submit("ok")
    # docket's fields are bytes, pickled arguments among them
    with Redis(unix_socket_path=str(bench.api.valkey.socket)) as redis:
        (entry,) = redis.xrange(f"{redis_keys.DOCKET}:stream")
    assert entry[1][b"function"] == b"run_job"


async def _undelivered(_job: str, _key: str) -> None:
    """No worker shall take it."""


@pytest.mark.parametrize("what", ["ok 2000", "hang 2000"])
def test_cancel_of_a_running_job_leaves_nothing(bench: Bench, what: str) -> None:
    bench.start_worker()
    job_id = bench.submit(what)
    bench.until(job_id, running_now)
    bench.api.act(lambda parts: parts.jobs.cancel(job_id))
    job = bench.until(job_id, ended)
    assert job.state is JobState.CANCELED
    assert bench.series()['dualtrack_jobs_ended_total{state="canceled"}'] == 1
    assert not bench.results(job_id)
    fine = bench.submit("ok 2")
    assert bench.until(fine, ended).state is JobState.DONE


def test_redis_gone_for_a_while_the_job_goes_on(bench: Bench) -> None:
    bench.start_worker()
    job_id = bench.submit("ok 30")
    bench.until(job_id, running_now)
    bench.api.valkey.stop()
    # what the liveness probe looks at goes on, too: a worker that waits is not started again
    (bench.folder / "alive").unlink()
    wait_for((bench.folder / "alive").exists)
    bench.api.valkey.start()
    job = bench.until(job_id, ended)
    assert job.state is JobState.DONE
    assert len(bench.results(job_id)) == 1


def test_cancel_of_a_waiting_job_is_counted_once(bench: Bench) -> None:
    job_id = bench.submit("ok 2")
    for _ in range(2):
        bench.api.act(lambda parts: parts.jobs.cancel(job_id))
    assert bench.series()['dualtrack_jobs_ended_total{state="canceled"}'] == 1
