"""What a caller may ask for as the result's categories."""

import json
from pathlib import Path
from typing import Any

import pytest

from dualtrack.errors import InvalidParameter
from service.cli.parameters import parse_parameters
from service.inference.repository.manifest import ModelClass
from service.pipeline.categories.choice import choose
from service.pipeline.categories.class_vector import counted
from service.pipeline.parameters.job_parameters import JobParameters

VECTOR = counted(
    "1",
    [
        ModelClass("person", "coco"),
        ModelClass("car", "coco"),
        ModelClass("truck", "coco"),
        ModelClass("mouse", "coco"),
        ModelClass("mouse", "ytvis2019"),
        ModelClass("giant_panda", "ytvis2019"),
    ],
)


def chosen(choice: Any) -> list[tuple[int, str, list[int]]]:
    matched = choose(VECTOR, JobParameters(categories=choice).categories)
    assert matched is not None
    pairs = zip(matched.categories, matched.members, strict=True)
    return [(item.id, item.name, members.tolist()) for item, members in pairs]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        pytest.param(
            "ytvis2019",
            [(1, "person", [0]), (2, "giant_panda", [5]), (6, "sedan", [1]), (29, "truck", [2]), (36, "mouse", [4])],
            id="set",
        ),
        pytest.param("ovis", [(1, "Person", [0]), (13, "Giant_panda", [5]), (25, "Vehical", [1, 2])], id="merging-set"),
        pytest.param(["truck", "person"], [(1, "person", [0]), (3, "truck", [2])], id="names"),
        pytest.param(["Giant Panda"], [(6, "giant_panda", [5])], id="name-written-otherwise"),
        pytest.param(["mouse"], [(4, "mouse (coco)", [3]), (5, "mouse (ytvis2019)", [4])], id="name-of-two"),
        pytest.param(["mouse (coco)"], [(4, "mouse (coco)", [3])], id="one-of-the-two"),
        pytest.param(
            [{"id": 9, "name": "vehicle", "of": ["car", "truck"]}, {"id": 2, "name": "person"}, {"id": 5, "name": "?"}],
            [(2, "person", [0]), (9, "vehicle", [1, 2])],
            id="own",
        ),
    ],
)
def test_choice(choice: Any, expected: list[tuple[int, str, list[int]]]) -> None:
    assert chosen(choice) == expected


def test_nothing_is_asked_for() -> None:
    assert choose(VECTOR, None) is None


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        pytest.param(["person", "crab"], "got crab", id="unknown-name"),
        pytest.param([{"id": 1, "name": "a", "of": ["crab"]}], "got crab", id="unknown-member"),
        pytest.param([{"id": 1, "name": "person"}, {"id": 1, "name": "car"}], r"got \[1\]", id="id-twice"),
        pytest.param([{"id": 1, "name": "crab"}], "matches a class of the detector, got none", id="nothing-known"),
    ],
)
def test_refused(choice: Any, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        chosen(choice)


def test_on_the_command_line(tmp_path: Path) -> None:
    assert parse_parameters(None, categories="ovis").categories == "ovis"
    assert parse_parameters(None, categories="person, dog").categories == ("person", "dog")
    file = tmp_path / "own.json"
    for content in ([{"id": 1, "name": "a"}], {"categories": [{"id": 1, "name": "a", "supercategory": "b"}]}):
        file.write_text(json.dumps(content))
        [own] = parse_parameters(None, categories=str(file)).categories or ()
        assert not isinstance(own, str)
        assert (own.id, own.name) == (1, "a")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("none.json", "categories: expected a JSON list in none.json"),
        ("", "categories: Value error, expected coco, ytvis"),
    ],
)
def test_wrong_on_the_command_line(given: str, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        parse_parameters(None, categories=given)
