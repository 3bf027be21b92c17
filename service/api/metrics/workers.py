"""What all workers together have counted, as Prometheus series."""

from collections.abc import Iterable
from itertools import starmap

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from dualtrack.errors import (
    ConfigurationError,
    ContractViolation,
    DualtrackError,
    EngineDied,
    InferenceError,
    InferenceTimeout,
    Unavailable,
)
from service.artifacts import overlay
from service.inference.triton.statuses import DEAD_CODE
from service.state.artifact import OPEN, ArtifactState
from service.state.counters import EDGES_S, Counts
from service.state.job import TERMINAL

FORESEEN = (
    "worker-died",
    "triton-unavailable",
    DEAD_CODE,
    *(
        kind.code
        for kind in (
            DualtrackError,
            EngineDied,
            InferenceError,
            InferenceTimeout,
            ContractViolation,
            Unavailable,
            ConfigurationError,
        )
    ),
)
"""Failures of the service that are shown before they happen: a counter that appears as 1 never shows an increase."""


class WorkersCollector(Collector):
    """Shows the counters that were read last; none while they are not known.

    Every API process shows the same ones, so they are to be joined with `max`, not `sum`.
    """

    def __init__(self) -> None:
        self.counts: Counts | None = None

    def collect(self) -> Iterable[Metric]:
        """The series at this time."""
        if self.counts is None:
            return
        ended = CounterMetricFamily("dualtrack_jobs_ended", "Jobs that ended, by state.", labels=["state"])
        for state in sorted(TERMINAL):
            ended.add_metric([state], self.counts.jobs.get(state, 0))
        yield ended
        made = CounterMetricFamily(
            "dualtrack_artifacts_ended", "Artifacts that were made or failed, by kind.", labels=["kind", "state"]
        )
        for kind in sorted({overlay.KIND, *(kind for kind, _ in self.counts.artifacts)}):
            for outcome in sorted(set(ArtifactState) - OPEN):
                made.add_metric([kind, outcome], self.counts.artifacts.get((kind, outcome), 0))
        yield made
        failures = CounterMetricFamily(
            "dualtrack_attempt_failures", "Attempts at jobs that failed.", labels=["cause", "code"]
        )
        seen = dict.fromkeys((("service", code) for code in FORESEEN), 0) | dict(self.counts.failures)
        for labels, number in seen.items():
            failures.add_metric(labels, number)
        yield failures
        stages = HistogramMetricFamily(
            "dualtrack_stage_seconds", "Time that a stage of a done job or artifact took.", labels=["stage"]
        )
        for stage, taken in self.counts.stages.items():
            buckets = list(starmap(_bucket, zip(EDGES_S, taken.up_to, strict=True)))
            stages.add_metric([stage], buckets, taken.total_s)
        yield stages


def _bucket(edge: float, number: int) -> tuple[str, float]:
    return ("+Inf" if edge == float("inf") else str(edge), number)
