"""What the values of settings may be: types, and what checks a value. Errors say what was expected."""

import difflib
import ipaddress
import json
import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from service.media.limits import VideoLimits

REDIS_SCHEMES = ("redis", "rediss", "unix")
MOST_S = 10 * 365 * 24 * 3600
"""Upper bound of durations, seconds: Redis and timers take no more than some hundreds of years."""
MOST_BYTES = 1 << 62


def _absolute(value: Path) -> Path:
    """Independent of the working directory; FFmpeg would also take `a:b/c` for a protocol."""
    return Path(os.path.abspath(value.expanduser()))


def _known_limits(value: object) -> object:
    """Pydantic ignores unknown fields of a dataclass."""
    known = [item.name for item in fields(VideoLimits)]
    if isinstance(value, dict) and (unknown := sorted(set(value) - set(known))):
        near = difflib.get_close_matches(str(unknown[0]), known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"only the keys {', '.join(known)}{hint}")
    return value


def _redis_url(value: SecretStr | None) -> SecretStr | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value.get_secret_value())
        database = parts.scheme == "unix" or re.fullmatch(r"(/\d*)?/?", parts.path) is not None
        named = bool(parts.path if parts.scheme == "unix" else parts.hostname)
        fits = parts.scheme in REDIS_SCHEMES and named and database and parts.port != 0
        fits = fits and _is_read_by_redis(value.get_secret_value())
    except ValueError:
        fits = False
    if not fits:
        raise ValueError("redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], rediss://… or unix://PATH")
    return value


def _is_read_by_redis(url: str) -> bool:
    """Whether the client has all options of the URL, which otherwise is found out at the first use."""
    # imported here because most processes have no such URL
    from redis.asyncio.connection import ConnectionPool  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    try:
        pool = ConnectionPool.from_url(url)
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, AttributeError, RedisError):
        return False
    return True


def _api_key(value: SecretStr | None) -> SecretStr | None:
    """What the header `Authorization` can carry: others could never be sent, and nobody would know why."""
    if value is not None and not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value.get_secret_value()):
        raise ValueError("printable ASCII characters, without a space at the beginning or the end")
    return value


def _triton_url(value: str | None) -> str | None:
    found = None if value is None else re.fullmatch(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d{1,5})", value)
    if value is not None and (found is None or not 1 <= int(found[1]) <= 65535):
        raise ValueError("host:port")
    return value


def _host(value: str) -> str:
    """An IPv6 address without its brackets."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._\-]*[A-Za-z0-9])?", bare):
            raise ValueError("an IPv4 or IPv6 address or a host name") from None
    return bare


def _names(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(each == "*" or re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._\-]*[A-Za-z0-9])?", each) for each in value):
        raise ValueError("host names without a port, or *")
    return value


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(each == "*" or re.fullmatch(r"https?://[^\s/,]+", each) for each in value):
        raise ValueError("origins such as https://example.org or https://example.org:8443, without a path, or *")
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(each)) for each in value)
    except ValueError:
        raise ValueError("addresses or networks such as 10.0.0.7 or 10.0.0.0/8") from None


def _prefix(value: str) -> str:
    bare = value.rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~\-]+)*", bare):
        raise ValueError("a path such as /dualtrack")
    return bare


def _listed(value: object) -> object:
    """A list written as JSON, or as words with commas between."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return tuple(word for each in value.split(",") if (word := each.strip()))
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError("words with commas between, or a JSON list of texts")
    return tuple(found)


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


Secret = Annotated[SecretStr | None, BeforeValidator(lambda value: value or None)]
"""A secret. An empty string counts as unset: that is what compose files pass for a variable that is not set."""
ApiKey = Annotated[Secret, AfterValidator(_api_key)]
RedisUrl = Annotated[Secret, AfterValidator(_redis_url)]
TritonUrl = Annotated[str | None, AfterValidator(_triton_url)]
FilePath = Annotated[Path, AfterValidator(_absolute)]
Host = Annotated[str, AfterValidator(_host)]
PathPrefix = Annotated[str, AfterValidator(_prefix)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""A list of words, which the environment need not write as JSON."""
HostNames = Annotated[Words, AfterValidator(_names)]
Origins = Annotated[Words, AfterValidator(_origins)]
Networks = Annotated[Words, AfterValidator(_networks)]
Seconds = Annotated[float, Field(le=MOST_S, allow_inf_nan=False)]
Bytes = Annotated[int, Field(le=MOST_BYTES)]
Limits = Annotated[VideoLimits, BeforeValidator(_known_limits)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
