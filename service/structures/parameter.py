"""Metadata of parameter fields: range, description and name in requests.

    th_det: Annotated[Share, Parameter("Minimum detection score; detections below it are dropped.")] = 0.2

A field without `Parameter` can't be set by a request, but its range is checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from math import inf
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, GroupedMetadata, Interval, Le

Share = Annotated[float, Interval(ge=0, le=1)]


class ParameterError(ValueError):
    """A parameter has an invalid value.

    Args:
        wanted: what was expected, by request name; for incompatible parameters, of each of them, the most likely
            mistake first.
        got: the value of the first.
    """

    def __init__(self, wanted: Mapping[str, str], got: object) -> None:
        self.wanted, self.got = dict(wanted), got
        name, text = next(iter(wanted.items()))
        super().__init__(f"{name}: {text}, got {got!r}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """Metadata of a field that a request may set.

    Attributes:
        description: one or two sentences for callers.
        name: in requests, if it differs from the field's.
    """

    description: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ParameterField:
    """One field of a dataclass of parameters.

    Attributes:
        field: name of the field.
        name: in requests and messages.
        hint: the annotation, with metadata.
        kind: the type without metadata; `str` for a choice.
        choices: the values of a choice, else empty.
        minimum, maximum: the range, inclusive.
        description: for callers; None if a request can't set it.
    """

    field: str
    name: str
    hint: Any
    kind: Any
    choices: tuple[str, ...]
    minimum: float
    maximum: float
    description: str | None

    @property
    def expected(self) -> str:
        """Description of valid values."""
        if self.choices:
            *others, last = self.choices
            return f"{', '.join(others)} or {last}"
        if self.kind is bool:
            return "true or false"
        if self.maximum == inf:
            return "a number" if self.minimum == -inf else f"at least {self.minimum:g}"
        return f"{self.minimum:g} to {self.maximum:g}"

    def check(self, value: Any) -> None:
        """Reject values out of range, NaN, and values that are not among the choices.

        Raises:
            ParameterError: the value is invalid.
        """
        if self.choices:
            fits = value in self.choices
        else:
            fits = self.kind not in (int, float) or self.minimum <= value <= self.maximum
        if not fits:
            raise ParameterError({self.name: f"expected {self.expected}"}, value)


def parameter_field(field: str, hint: Any) -> ParameterField:
    """Parse the annotation of a field."""
    kind, metadata = (hint.__origin__, hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())
    own = next((item for item in metadata if isinstance(item, Parameter)), None)
    bounds = [bound for item in metadata for bound in (tuple(item) if isinstance(item, GroupedMetadata) else (item,))]
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    return ParameterField(
        field,
        name=own.name if own and own.name else field,
        hint=hint,
        kind=str if choices else kind,
        choices=choices,
        minimum=max((_number(bound.ge) for bound in bounds if isinstance(bound, Ge)), default=-inf),
        maximum=min((_number(bound.le) for bound in bounds if isinstance(bound, Le)), default=inf),
        description=own.description if own else None,
    )


def parameter_fields(kind: Any) -> tuple[ParameterField, ...]:
    """The fields of a dataclass of parameters, in order."""
    return _parameter_fields(kind)


@cache
def _parameter_fields(kind: type) -> tuple[ParameterField, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(parameter_field(item.name, hints[item.name]) for item in fields(kind))


def check_ranges(parameters: Any) -> None:
    """Check all values of a dataclass of parameters; called by its `__post_init__`.

    Raises:
        ParameterError: a value is invalid.
    """
    for item in parameter_fields(type(parameters)):
        item.check(getattr(parameters, item.field))


def _number(bound: Any) -> float:
    number: float = bound
    return number
