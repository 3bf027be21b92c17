"""Every single change of a parameter object, found through its fields: a new field is changed without further ado."""

from collections.abc import Iterator
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
            yield item.name, replace(value, **{item.name: _other(now, hints[item.name])})


def _other(now: Any, hint: Any) -> Any:
    if isinstance(now, bool):
        return not now
    if isinstance(now, int | float):
        return now + 1
    if isinstance(now, str):
        return next(choice for choice in get_args(hint) if choice != now)
    raise TypeError(f"no other value is known for {now!r} of {hint}")
