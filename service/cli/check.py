"""One line of what `dualtrack doctor` reports."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One line of the report; `ok` None: not applicable."""

    name: str
    ok: bool | None
    detail: str
