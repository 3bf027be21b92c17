"""One line of the report of `dualtrack doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: what was checked.
        ok: whether it works; None if it is not needed here.
        detail: version, address or reason.
    """

    name: str
    ok: bool | None
    detail: str
