"""The series of one API process: its own requests and uploads, and what the state server says at the scrape."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.api.metrics.workers import WorkersCollector
from service.state.counters import Counts


@dataclass(frozen=True)
class StateFigures:
    """What the state server says at scrape time.

    Attributes:
        jobs: waiting and running jobs.
        artifacts: waiting and running artifacts.
        oldest_s: how long the longest waiting job has waited, seconds.
        workers: that live.
        counts: of all workers together.
    """

    jobs: Mapping[str, int]
    artifacts: Mapping[str, int]
    oldest_s: float
    workers: int
    counts: Counts


class ApiMetrics:
    """Requests, uploads, and what the state server says of queue, workers and jobs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "dualtrack_http_requests", "Requests.", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "dualtrack_http_request_seconds",
            "Time to the end of the answer.",
            ["method", "route"],
            registry=registry,
        )
        self._uploaded = Counter("dualtrack_upload_bytes", "Bytes of video received.", registry=registry)
        self._jobs = Gauge("dualtrack_jobs", "Jobs by state, at scrape time.", ["state"], registry=registry)
        self._artifacts = Gauge(
            "dualtrack_artifacts", "Artifacts by state, at scrape time.", ["state"], registry=registry
        )
        self._oldest = Gauge(
            "dualtrack_oldest_queued_job_seconds", "How long the longest waiting job has waited.", registry=registry
        )
        self._workers = Gauge("dualtrack_workers", "Workers that show signs of life.", registry=registry)
        self._state_up = Gauge("dualtrack_state_up", "1 if the state server answers.", registry=registry)
        self._counted = WorkersCollector()
        registry.register(self._counted)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        known = method if method in {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"} else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    def uploaded(self, size: int) -> None:
        """Count a received file."""
        self._uploaded.inc(size)

    def state(self, figures: StateFigures | None) -> None:
        """Show what the state server says; None if it can't be reached."""
        unknown = float("nan")
        self._oldest.set(unknown if figures is None else figures.oldest_s)
        self._workers.set(unknown if figures is None else figures.workers)
        self._state_up.set(0 if figures is None else 1)
        self._counted.counts = None if figures is None else figures.counts
        # A depth that is no longer known must disappear, not freeze.
        self._jobs.clear()
        self._artifacts.clear()
        if figures is not None:
            for gauge, counts in ((self._jobs, figures.jobs), (self._artifacts, figures.artifacts)):
                for state, count in counts.items():
                    gauge.labels(state).set(count)
