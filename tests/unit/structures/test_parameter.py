"""Ranges, names and descriptions of parameters are read from the annotations of their fields."""

from dataclasses import dataclass
from math import inf, nan
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Interval, Le

from service.structures.parameter import (
    Parameter,
    ParameterError,
    ParameterField,
    Share,
    check_ranges,
    parameter_field,
    parameter_fields,
)


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        pytest.param(int, {"kind": int}, id="bare"),
        pytest.param(Share, {"kind": float, "minimum": 0, "maximum": 1}, id="share"),
        pytest.param(Annotated[int, Ge(3)], {"kind": int, "minimum": 3}, id="from"),
        pytest.param(Annotated[int, Le(3)], {"kind": int, "maximum": 3}, id="up-to"),
        pytest.param(
            Annotated[int, Interval(ge=1, le=9), Ge(2), Le(8)],
            {"kind": int, "minimum": 2, "maximum": 8},
            id="the-narrowest-of-several",
        ),
        pytest.param(
            Annotated[Share, Parameter("What it does.")],
            {"kind": float, "minimum": 0, "maximum": 1, "description": "What it does."},
            id="described",
        ),
        pytest.param(
            Annotated[bool, Parameter("What it does.", "other")],
            {"kind": bool, "name": "other", "description": "What it does."},
            id="under-another-name",
        ),
        pytest.param(Literal["a", "b"], {"kind": str, "choices": ("a", "b")}, id="choice"),
        pytest.param(
            Annotated[Literal["a", "b"], Parameter("What it does.")],
            {"kind": str, "choices": ("a", "b"), "description": "What it does."},
            id="described-choice",
        ),
    ],
)
def test_field_of_an_annotation(hint: Any, expected: dict[str, Any]) -> None:
    plain = {"name": "size", "choices": (), "minimum": -inf, "maximum": inf, "description": None}
    assert parameter_field("size", hint) == ParameterField("size", hint=hint, **{**plain, **expected})


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        pytest.param(Literal["a", "b", "c"], "a, b or c", id="choice"),
        pytest.param(bool, "true or false", id="truth-value"),
        pytest.param(float, "a number", id="any-number"),
        pytest.param(Annotated[float, Ge(0.5)], "at least 0.5", id="from"),
        pytest.param(Annotated[int, Interval(ge=1, le=100)], "1 to 100", id="range"),
    ],
)
def test_valid_values_in_words(hint: Any, expected: str) -> None:
    assert parameter_field("size", hint).expected == expected


@pytest.mark.parametrize(
    ("hint", "value", "fits"),
    [
        pytest.param(Share, 0.0, True, id="at-the-minimum"),
        pytest.param(Share, 1, True, id="at-the-maximum"),
        pytest.param(Share, -0.01, False, id="below"),
        pytest.param(Share, 1.01, False, id="above"),
        pytest.param(Share, nan, False, id="not-a-number"),
        pytest.param(Annotated[int, Ge(3)], 2, False, id="integer-below"),
        pytest.param(Literal["a", "b"], "b", True, id="a-choice"),
        pytest.param(Literal["a", "b"], "c", False, id="not-a-choice"),
        pytest.param(bool, False, True, id="truth-value"),
        pytest.param(Any, None, True, id="another-type"),
    ],
)
def test_values_that_fit(hint: Any, value: Any, fits: bool) -> None:
    item = parameter_field("size", Annotated[hint, Parameter("What it does.", "request_name")])
    if fits:
        item.check(value)
        return
    with pytest.raises(ParameterError) as raised:
        item.check(value)
    assert str(raised.value) == f"request_name: expected {item.expected}, got {value!r}"
    assert raised.value.wanted == {"request_name": f"expected {item.expected}"}


@dataclass(frozen=True)
class Sizes:
    first: Annotated[Share, Parameter("The first.")] = 0.5
    second: Annotated[int, Ge(2)] = 2


def test_fields_of_a_dataclass_in_order() -> None:
    assert parameter_fields(Sizes) == (
        parameter_field("first", Annotated[Share, Parameter("The first.")]),
        parameter_field("second", Annotated[int, Ge(2)]),
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [(Sizes(first=2), "first: expected 0 to 1, got 2"), (Sizes(second=1), "second: expected at least 2, got 1")],
)
def test_every_field_is_checked(sizes: Sizes, message: str) -> None:
    check_ranges(Sizes())
    with pytest.raises(ParameterError) as raised:
        check_ranges(sizes)
    assert str(raised.value) == message


def test_the_likeliest_mistake_is_the_message() -> None:
    error = ParameterError({"low": "expected at most 3", "high": "expected at least 5"}, 5)
    assert (str(error), error.got, list(error.wanted)) == ("low: expected at most 3, got 5", 5, ["low", "high"])
