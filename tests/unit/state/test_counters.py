"""Counters of all workers: what the hash's fields mean, and how a job's time is shared among its stages."""

import pytest

from service.pipeline.run import StageProgress
from service.state.counters import EDGES_S, counts_of
from service.worker.runner import ProgressMeter


def test_nothing_counted_yet() -> None:
    counts = counts_of({})
    assert (counts.jobs, counts.failures, counts.stages) == ({}, {}, {})


def test_fields_by_their_names() -> None:
    counts = counts_of({"jobs:done": "3", "failures:service:engine-died": "2", "failures:input:malformed": "1"})
    assert counts.jobs == {"done": 3}
    assert counts.failures == {("service", "engine-died"): 2, ("input", "malformed"): 1}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"1": "2", "5": "1"}, {0.5: 0, 1.0: 2, 2.5: 2, 5.0: 3, float("inf"): 3}, id="cumulative"),
        pytest.param({"inf": "1"}, {1000.0: 0, float("inf"): 1}, id="slower-than-all-edges"),
        pytest.param({"3": "1"}, {2.5: 0, 5.0: 1}, id="edge-of-another-version"),
    ],
)
def test_histogram(fields: dict[str, str], expected: dict[float, int]) -> None:
    given = {f"seconds:track:{edge}": number for edge, number in fields.items()} | {"seconds:track:sum": "7.5"}
    taken = counts_of(given).stages["track"]
    assert {edge: taken.up_to[EDGES_S.index(edge)] for edge in expected} == expected
    assert taken.total_s == 7.5


def test_the_time_before_a_step_belongs_to_its_stage() -> None:
    meter = ProgressMeter(started=10.0)
    for stage, now in (("decode", 11.0), ("detect", 14.0), ("detect", 15.0), ("calibrate", 15.0), ("detect", 17.0)):
        meter.step(StageProgress(stage, 1, 2), now)
    assert meter.seconds == {"decode": 1.0, "detect": 6.0, "calibrate": 0.0}
    assert sum(meter.seconds.values()) == 7.0
