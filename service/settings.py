"""Settings: read once from the environment (`DUALTRACK_…`), immutable, passed to whatever needs them."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from dualtrack.errors import ConfigurationError
from service.environment import PREFIX, is_service_link, mistakes
from service.media.limits import VideoLimits
from service.processes.listening import is_loopback
from service.setting_values import (
    MOST_S,
    ApiKey,
    Bytes,
    FilePath,
    Host,
    HostNames,
    Limits,
    LogLevel,
    Networks,
    Origins,
    PathPrefix,
    RedisUrl,
    Seconds,
    TritonUrl,
    Words,
)

if TYPE_CHECKING:
    from service.pipeline.context import EngineSettings

SECRETS = Path("/run/secrets")
"""Where containers mount secrets: the file `dualtrack_api_key` sets `api_key`. Environment variables win."""
WANTED = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
}
"""What a setting has to be, by pydantic's type of error."""
SHOWN = 200
"""Most characters of a wrong value that a message repeats."""


def bundled(name: str) -> Path:
    """A file or directory that the wheel brings along (`hatch_build.py`); a checkout has it at the top level."""
    package = Path(__file__).resolve().parent
    carried = package / "bundled" / name
    return carried if carried.exists() else package.parent / name


class _Environment(EnvSettingsSource):
    """The environment without what Kubernetes sets for services."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of a setting, None if it has none; the key; whether it is JSON."""
        value, key, is_complex = super().get_field_value(field, field_name)
        linked = isinstance(value, str) and is_service_link(f"{PREFIX}{field_name}", value)
        return (None if linked else value), key, is_complex


class Settings(BaseSettings):
    """All settings; `dualtrack config` prints their current values.

    Raises:
        ConfigurationError: a setting is wrong, or the environment has one that does not exist; one line.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    def __init__(self, **values: Any) -> None:
        secrets = values.get("_secrets_dir", self.model_config.get("secrets_dir"))
        wrong = [*mistakes(os.environ, variables()), *mistakes(_files(secrets), variables())]
        if wrong:
            raise ConfigurationError("; ".join(wrong))
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigurationError("; ".join(_line(each) for each in error.errors())) from error
        except SettingsError as error:
            raise ConfigurationError(_unreadable(error)) from error
        except OSError as error:
            raise ConfigurationError(f"{error.filename}: expected a readable file: {error.strerror}") from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (pydantic passes it by name)
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values of the caller, then environment variables, then files of secrets."""
        return init_settings, _Environment(settings_cls), file_secret_settings

    data_dir: FilePath = Field(
        Path.home() / ".local/share/dualtrack",
        description="Directory for videos, results, caches and the embedded Valkey's state.",
    )
    model_repository: FilePath = Field(
        bundled("model_repository"),
        description="Model repository in Triton's layout, with a manifest.json.",
    )
    detector: FilePath | None = Field(
        None, description="TOML file describing an external ONNX detector; unset uses the bundled one."
    )
    redis_url: RedisUrl = Field(
        None, description="URL of the Redis or Valkey server; unset makes `serve` start an embedded Valkey."
    )
    triton_url: TritonUrl = Field(
        None, description="host:port of Triton's gRPC endpoint; unset runs the models in-process with ONNX Runtime."
    )
    host: Host = Field(
        "127.0.0.1",
        description="Address the API listens on; 0.0.0.0 and :: accept connections from anywhere.",
    )
    port: int = Field(8080, ge=0, le=65535, description="Port the API listens on.")
    api_key: ApiKey = Field(
        None,
        description="Bearer token required on API requests; unset disables authentication, which needs a loopback "
        "`host` or `allow_anonymous`.",
    )
    allow_anonymous: bool = Field(
        False,
        description="Serve other machines without an API key: whoever reaches the port sees and deletes everything.",
    )
    allowed_hosts: HostNames = Field(
        (),
        description="Names under which clients reach the API (the header `Host`), besides addresses, names without a "
        "dot and `host`; `*` accepts every name. Without a key others are refused; with one, only if this is set.",
    )
    cors_origins: Origins = Field(
        (),
        description="Origins of web pages elsewhere that may use the API, such as `https://example.org`; `*` for all.",
    )
    root_path: PathPrefix = Field(
        "", description="Path prefix under which a reverse proxy serves the API, such as `/dualtrack`."
    )
    trusted_proxies: Networks = Field(
        (),
        description="Addresses or networks of reverse proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` "
        "are trusted.",
    )
    max_body_bytes: Bytes = Field(2 << 30, gt=0, description="Maximum size of an uploaded video, in bytes.")
    upload_deadline_s: Seconds = Field(
        3600.0, gt=0, description="Seconds within which a whole upload must come; slower ones are ended with 408."
    )
    max_detections_bytes: Bytes = Field(
        32 << 20, gt=0, description="Maximum size of an uploaded detections file, in bytes."
    )
    min_free_bytes: Bytes = Field(
        256 << 20, ge=0, description="Free disk space, in bytes, below which uploads are rejected."
    )
    max_queue: int = Field(
        64,
        gt=0,
        description="Maximum number of queued jobs, and of artifacts that are requested; further ones get 429.",
    )
    max_attempts: int = Field(
        3, gt=0, description="Attempts without a new checkpoint after which a job or an artifact fails permanently."
    )
    lease_s: Seconds = Field(
        15.0, gt=0, description="Seconds without a heartbeat after which a worker's job is handed to another worker."
    )
    drain_s: Seconds = Field(
        10.0,
        ge=0,
        description="Seconds a worker that is shutting down may spend on its current job before requeuing it.",
    )
    unready_s: Seconds = Field(
        0.0,
        ge=0,
        description="Seconds for which the API, after SIGTERM, still serves requests while `/readyz` is 503, so that a "
        "load balancer sends it no more; a second SIGTERM ends them.",
    )
    engine_silent_s: Seconds = Field(
        120.0,
        gt=0,
        description="Seconds without a message and without CPU time, its children's included, after which a job's "
        "engine process is considered frozen and killed; twice `inference_deadline_s` or three times `limits.wall_s` "
        "if that is longer.",
    )
    job_deadline_s: Seconds = Field(
        6 * 3600.0,
        ge=0,
        description="Maximum duration of one attempt at a job, in seconds, after which the job fails permanently; "
        "0 disables the limit.",
    )
    result_ttl_s: int = Field(
        7 * 24 * 3600, gt=0, le=MOST_S, description="Seconds for which jobs, videos, results and cached data are kept."
    )
    limits: Limits = Field(default_factory=VideoLimits, description="Limits on videos.")
    cache_max_bytes: Bytes = Field(
        2 << 30, ge=0, description="Disk budget for cached detections, tubelets and checkpoints, in bytes."
    )
    feature_cache_bytes: Bytes = Field(
        64 << 20, ge=0, description="Memory budget for the features of the video being processed, in bytes."
    )
    feature_spill_bytes: Bytes = Field(
        4 << 30, ge=0, description="Disk budget for features that exceed the memory budget, in bytes."
    )
    liveness_file: FilePath | None = Field(
        None, description="File that a worker touches every 2 s, for a liveness probe; unset disables it."
    )
    checkpoint_frames: int = Field(
        64, ge=0, description="Frames between checkpoints (work lost on a crash); 0 disables checkpoints."
    )
    providers: Words = Field(
        ("CPUExecutionProvider",), description="ONNX Runtime execution providers, in order of preference."
    )
    threads: int = Field(2, gt=0, le=1024, description="Threads per ONNX Runtime session.")
    inference_deadline_s: Seconds = Field(30.0, gt=0, description="Timeout of one call to Triton, in seconds.")
    log_level: LogLevel = Field("info", description="Minimum severity of messages that are logged.")
    log_json: bool = Field(False, description="Log one JSON object per line instead of text.")

    def require_key(self) -> None:
        """Refuse to serve other machines without a key by accident.

        Raises:
            ConfigurationError: others can reach `host`, and there is neither a key nor `allow_anonymous`.
        """
        if self.api_key is None and not self.allow_anonymous and not is_loopback(self.host):
            raise ConfigurationError(
                f"{PREFIX}API_KEY: expected a key, since other machines can reach the host {self.host}, got none; "
                f"set it, or {PREFIX}HOST=127.0.0.1, or {PREFIX}ALLOW_ANONYMOUS=true to serve everybody"
            )

    @property
    def cache_dir(self) -> Path:
        """Directory of cached detections and tubelets."""
        return self.data_dir / "cache"

    def engine_settings(self) -> "EngineSettings":
        """The subset needed to run the pipeline, in this process or in an engine."""
        # imported here because it pulls in numpy and OpenCV, which most commands don't need
        from service.pipeline.context import EngineSettings  # noqa: PLC0415

        return EngineSettings(**{field.name: getattr(self, field.name) for field in fields(EngineSettings)})

    def masked(self) -> dict[str, Any]:
        """All settings for display, with secrets replaced by asterisks."""
        return self.model_dump(mode="json")


def variables() -> tuple[str, ...]:
    """The environment variables of all settings; of a group, its members'."""
    return tuple(_variables())


def _variables() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        variable = f"{PREFIX}{name.upper()}"
        yield variable
        kind = field.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            yield from (f"{variable}__{item.name.upper()}" for item in fields(kind))


def _files(folder: object) -> dict[str, str]:
    """The names of the files that a folder of secrets has for dualtrack; without values."""
    if folder is None or not Path(str(folder)).is_dir():
        return {}
    return {path.name: "" for path in Path(str(folder)).iterdir() if path.name.upper().startswith(PREFIX)}


def _line(error: ErrorDetails) -> str:
    """A wrong setting: its variable, what was expected, what came; never the value of a secret."""
    names = [str(part) for part in error["loc"]]
    variable = PREFIX + "__".join(name.upper() for name in names)
    if error["type"] == "value_error":
        wanted = str(error["ctx"]["error"])
    elif error["type"] in WANTED:
        wanted = WANTED[error["type"]].format_map(_plain(error.get("ctx", {})))
    else:
        wanted = error["msg"]
    secret = names[:1] in (["api_key"], ["redis_url"])
    got = "another value, which is not shown" if secret else f"{error['input']!r:.{SHOWN}}"
    return f"{variable}: expected {wanted}, got {got}"


def _plain(bounds: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers without a decimal point."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value for name, value in bounds.items()
    }


def _unreadable(error: SettingsError) -> str:
    """Of a group of settings that is given as JSON, and is none."""
    found = re.search(r'field "(\w+)"', str(error))
    name = found.group(1).upper() if found else "…"
    return f"{PREFIX}{name}: expected a JSON object, got {os.environ.get(PREFIX + name, '')!r:.{SHOWN}}"
