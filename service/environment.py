"""Names of environment variables that begin with `DUALTRACK_`: settings, those of other programs, and mistakes."""

import difflib
import os
import re
from collections.abc import Collection, Iterator, Mapping

PREFIX = "DUALTRACK_"
OF_OTHER_PROGRAMS = re.compile(
    r"TEST_\w+|LOAD_\w+|\w+_IMAGE|BUILD_OPTIONS|SECRETS|WORKERS|WORKER_CPUS|PROMETHEUS_PORT",
)
"""What docker-compose.yml, the image builds, and the tests read; the service ignores it."""
SERVICE_LINK = re.compile(
    r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
LINKED_PORT = re.compile(r"(?:tcp|udp|sctp)://")
"""The value of `…_PORT`, where Kubernetes sets it for a service."""
NEAR = 0.8
"""Minimum similarity (difflib's ratio) for a name without the prefix to count as a mistyped setting."""


def is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes sets this variable in a pod for a service whose name begins with `dualtrack`.

    Example:
        >>> is_service_link("DUALTRACK_PORT", "tcp://10.0.0.7:80"), is_service_link("DUALTRACK_PORT", "8080")
        (True, False)
    """
    upper = name.upper()
    if not upper.startswith(PREFIX):
        return False
    rest = upper.removeprefix(PREFIX)
    linked = re.fullmatch(r"(?:\w+_)?PORT", rest) is not None and LINKED_PORT.match(value) is not None
    return linked or SERVICE_LINK.fullmatch(rest) is not None


def service_links(environment: Mapping[str, str] | None = None) -> list[str]:
    """The variables that Kubernetes has set for services; none of them is read as a setting."""
    found = os.environ if environment is None else environment
    return sorted(name for name, value in found.items() if is_service_link(name, value))


def mistakes(environment: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """One line for every variable that looks like a setting and is none, with the nearest setting."""
    settings = {name.upper() for name in known}
    for name, value in sorted(environment.items()):
        upper = name.upper()
        if upper in settings or is_service_link(name, value) or not _like_a_setting(upper, settings):
            continue
        near = difflib.get_close_matches(upper, settings, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `dualtrack config` lists the settings"
        yield f"{name}: expected the name of a setting, got an unknown one{hint}"


def _like_a_setting(upper: str, settings: Collection[str]) -> bool:
    if upper.startswith(PREFIX):
        return OF_OTHER_PROGRAMS.fullmatch(upper.removeprefix(PREFIX)) is None
    # DUALTRACKAPI_KEY, DUAL_TRACK_API_KEY, DUALTRAK_API_KEY
    return upper.startswith("DUAL") and bool(difflib.get_close_matches(upper, settings, n=1, cutoff=NEAR))
