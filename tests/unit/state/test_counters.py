"""Counters of all workers: what the hash's fields mean."""

import pytest

from service.state.counters import EDGES_S, Work, counts_of


def test_nothing_counted_yet() -> None:
    counts = counts_of({})
    assert (counts.jobs, counts.failures, counts.stages, counts.work) == ({}, {}, {}, {})


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


def test_work_beside_the_histogram_of_an_older_version() -> None:
    old = {"seconds:render:5": "2", "seconds:render:sum": "7"}
    assert counts_of(old).work == {}
    counts = counts_of(old | {"work:render:seconds": "12.5", "work:render:units": "100"})
    assert counts.work == {"render": Work(12.5, 100.0)}
    assert counts.stages["render"].total_s == 7.0
