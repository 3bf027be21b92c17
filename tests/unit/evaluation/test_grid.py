"""Grids over parameters, and the parameter file that comes of them."""

import json
from pathlib import Path

import pytest

from dualtrack.errors import InvalidParameter
from evaluation.runs.grid import Axis, combinations, make_grid, parse_axis
from evaluation.runs.tuning import Trial, across_halves, best_trial, halves
from service.cli.parameters import parse_parameters


def test_axes() -> None:
    assert parse_axis("th_seq=0.3, 0.5") == Axis(("th_seq",), (("0.3",), ("0.5",)))
    assert parse_axis("a/b=1/2,3/4") == Axis(("a", "b"), (("1", "2"), ("3", "4")))
    assert parse_axis("segment_frames=20,40").names == ("chunk_frames",)


@pytest.mark.parametrize("text", ["th_seq", "th_seq=", "a/b=1", "=1", "a=1,,2", "a/=1/2"])
def test_no_axis(text: str) -> None:
    with pytest.raises(InvalidParameter, match="grid: expected"):
        parse_axis(text)


def test_given_axes_replace_those_of_the_same_name() -> None:
    grid = make_grid(["b=9"], default=["a=1,2", "b/c=1/2", "d=3"])
    assert [axis.names for axis in grid] == [("a",), ("d",), ("b",)]
    assert combinations(grid) == [{"a": "1", "d": "3", "b": "9"}, {"a": "2", "d": "3", "b": "9"}]


def test_the_default_grid_holds_parameters_in_their_range() -> None:
    found = combinations(make_grid([]))
    assert len({tuple(values.items()) for values in found}) == len(found) < 200
    for values in found:
        parse_parameters([f"{name}={value}" for name, value in values.items()])


def trial(name: str, *scores: float) -> Trial:
    """Figures of a trial are means over its clips."""
    clips = [{"tracks": [{"id": 1, "J": score}]} for score in scores]
    return Trial({"x": name} if name else {}, tuple(clips))


def test_the_first_of_equals_is_chosen() -> None:
    trials = [trial("", 0.5, 0.5), trial("a", 0.4, 0.6), trial("b", 0.5, 0.6), trial("c", 0.6, 0.5)]
    assert best_trial(trials, "J").values == {"x": "b"}
    assert best_trial(trials[:2], "J").values == {}


def test_a_choice_that_does_not_carry_over_shows() -> None:
    one, other = halves(4, seed=0)
    assert sorted(one + other) == [0, 1, 2, 3]
    lucky = trial("lucky", *(0.9 if i in one else 0.1 for i in range(4)))
    first, second = across_halves([trial("", 0.5, 0.5, 0.5, 0.5), lucky], "J", seed=0)
    assert (first.values, first.chosen_on, first.reached, first.default) == (
        {"x": "lucky"},
        *map(pytest.approx, (0.9, 0.1, 0.5)),
    )
    assert (second.values, second.reached) == ({}, 0.5)


def test_one_clip_has_no_halves() -> None:
    assert across_halves([trial("", 0.5), trial("a", 0.6)], "J", seed=0) == []


def test_parameters_from_a_file_and_over_it(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps({"th_cc": 0.3, "estimator": "topk_frames"}))
    found = parse_parameters(["th_cc=0.2"], file)
    assert (found.th_cc, found.estimator) == (0.2, "topk_frames")


@pytest.mark.parametrize(
    ("content", "message"),
    [("[1]", "list"), ("{", "params: expected a JSON object"), ('{"th_cv": 1}', "th_cv"), (None, "params: expected")],
)
def test_files_without_parameters(content: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidParameter, match=message):
        parse_parameters(None, file)
