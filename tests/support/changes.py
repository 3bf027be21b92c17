"""Every single change of a parameter object, found through its fields: a new field is changed without further ado."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args, get_type_hints


def changed_once(value: Any) -> Iterator[tuple[str, Any]]:
    """Of a dataclass, nested or not: the dotted name of every field, and a copy in which that one is another."""
    hints = get_type_hints(type(value))
    for item in fields(value):
        now = getattr(value, item.name)
        if is_dataclass(now):
            for name, changed in changed_once(now):
                yield f"{item.name}.{name}", replace(value, **{item.name: changed})
        else:
            yield item.name, _changed(value, item.name, _others(now, hints[item.name]))


def _changed(value: Any, name: str, others: Sequence[Any]) -> Any:
    """A copy with the first of the other values that its ranges allow."""
    for other in others:
        with suppress(ValueError):
            return replace(value, **{name: other})
    raise TypeError(f"no other value is known for {name} of {value}")


def _others(now: Any, hint: Any) -> Sequence[Any]:
    if isinstance(now, bool):
        return [not now]
    if isinstance(now, int):
        return [now + 1]
    if isinstance(now, float):
        return [now + 1, now / 2, (now + 1) / 2]
    return [choice for choice in get_args(hint) if choice != now]
