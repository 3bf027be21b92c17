"""The parameters of a run by their names in requests, renamed ones, and suggestions for unknown ones."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import is_dataclass, replace
from typing import Any, get_args

from dualtrack.deprecations import OLD_NAMES
from service.pipeline.parameters.params import PipelineParams, PresetName, preset
from service.structures.parameter import ParameterError, ParameterField, parameter_fields

NEAR = 0.7
"""Minimum similarity (difflib's ratio) for a known name to be suggested."""


def _requestable(kind: Any) -> Iterator[ParameterField]:
    for item in parameter_fields(kind):
        if is_dataclass(item.kind):
            yield from _requestable(item.kind)
        elif item.description is not None:
            yield item


def _table() -> dict[str, ParameterField]:
    items = list(_requestable(PipelineParams))
    table = {item.name: item for item in items}
    if len(table) < len(items):
        raise TypeError("parameters: expected every request name once")
    return table


TABLE: Mapping[str, ParameterField] = _table()
"""The parameters of a run that a request may set, by request name, in the order of the stages."""


def values_of(params: Any) -> dict[str, Any]:
    """The values of a run's parameters by request name."""
    values: dict[str, Any] = {}
    for item in parameter_fields(type(params)):
        now = getattr(params, item.field)
        if is_dataclass(now):
            values |= values_of(now)
        elif item.description is not None:
            values[item.name] = now
    return values


def with_values(params: Any, values: Mapping[str, Any]) -> Any:
    """A copy of a run's parameters with `values`, by request name, replaced.

    Raises:
        ParameterError: a value is out of range, or two values are incompatible.
    """
    changes: dict[str, Any] = {}
    for item in parameter_fields(type(params)):
        now = getattr(params, item.field)
        if is_dataclass(now):
            changes[item.field] = with_values(now, values)
        elif item.description is not None and item.name in values:
            changes[item.field] = values[item.name]
    return replace(params, **changes)


PRESETS: Mapping[PresetName, Mapping[str, Any]] = {name: values_of(preset(name)) for name in get_args(PresetName)}
"""The values of each preset, by request name."""


def renamed(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The same values under the current names.

    Raises:
        ParameterError: a parameter is given under both names.
    """
    values = dict(raw)
    for old, new in OLD_NAMES.items():
        if old in values:
            value = values.pop(old)
            if value is not None and values.get(new) is not None:
                raise ParameterError(
                    {old: f"expected either {old} or {new}; {old} is a deprecated name of {new}"}, value
                )
            if value is not None or new not in values:
                values[new] = value
    return values


def unknown_parameter(name: str, known: Collection[str]) -> str:
    """The error message for an unknown parameter, suggesting the most similar known name."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=NEAR)
    return f"unknown parameter {name[:80]!r}" + "".join(f"; did you mean {found!r}?" for found in near)
