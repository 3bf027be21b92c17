"""The API's own Prometheus series."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class HttpMetrics:
    """Requests, uploads and the queue's depth."""

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
        self._oldest = Gauge(
            "dualtrack_oldest_queued_job_seconds", "How long the longest waiting job has waited.", registry=registry
        )
        self._state_up = Gauge("dualtrack_state_up", "1 if the state server answers.", registry=registry)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        known = method if method in {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"} else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    def uploaded(self, size: int) -> None:
        """Count a received file."""
        self._uploaded.inc(size)

    def jobs(self, counts: dict[str, int] | None, oldest_s: float = float("nan")) -> None:
        """Set the queue's depth and the wait of its oldest job; None if the state server can't be reached."""
        self._oldest.set(oldest_s)
        self._state_up.set(0 if counts is None else 1)
        # A depth that is no longer known must vanish, not freeze.
        self._jobs.clear()
        for state, count in (counts or {}).items():
            self._jobs.labels(state).set(count)
