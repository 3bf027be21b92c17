"""Where settings come from."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dualtrack.errors import ConfigurationError
from service.environment import mistakes
from service.media.limits import VideoLimits
from service.pipeline.context import EngineSettings
from service.settings import Settings, variables


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / "dualtrack_api_key").write_text("from-file\n")
    return tmp_path


def test_a_secret_is_read_from_its_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUALTRACK_API_KEY", raising=False)
    settings = Settings(_secrets_dir=secrets)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "from-file"
    assert "from-file" not in str(settings.masked())


def test_the_environment_goes_before_the_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUALTRACK_API_KEY", "from-environment")
    settings = Settings(_secrets_dir=secrets)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "from-environment"


def test_what_an_engine_is_opened_with_comes_through_json() -> None:
    settings = Settings(
        detector=Path("/detector.toml"), providers=("A", "B"), limits=VideoLimits(max_side=7), checkpoint_frames=3
    )
    engine = settings.engine_settings()
    assert EngineSettings.from_json({**json.loads(json.dumps(engine.to_json())), "scratch": "s"}) == engine
    assert (engine.detector, engine.providers, engine.limits.max_side) == (Path("/detector.toml"), ("A", "B"), 7)
    assert (engine.checkpoint_frames, engine.cache_dir) == (3, settings.cache_dir)


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("PORT", "abc", "DUALTRACK_PORT: expected a whole number, got 'abc'"),
        ("PORT", "70000", "DUALTRACK_PORT: expected at most 65535, got '70000'"),
        ("HOST", "a b", "DUALTRACK_HOST: expected an IPv4 or IPv6 address or a host name, got 'a b'"),
        ("LOG_LEVEL", "loud", "DUALTRACK_LOG_LEVEL: expected 'debug', 'info', 'warning' or 'error', got 'loud'"),
        ("LOG_JSON", "maybe", "DUALTRACK_LOG_JSON: expected true or false, got 'maybe'"),
        ("LEASE_S", "inf", "DUALTRACK_LEASE_S: expected a finite number, got 'inf'"),
        ("TRITON_URL", "http://triton:8001", "DUALTRACK_TRITON_URL: expected host:port, got 'http://triton:8001'"),
        ("LIMITS__MAX_FRAMES", "-3", "DUALTRACK_LIMITS__MAX_FRAMES: expected more than 0, got '-3'"),
        ("LIMITS__WALL_S", "0", "DUALTRACK_LIMITS__WALL_S: expected more than 0, got '0'"),
        ("LIMITS", "{", "DUALTRACK_LIMITS: expected a JSON object, got '{'"),
        ("LIMITS", '{"max_frame": 1}', "DUALTRACK_LIMITS: expected only the keys .*did you mean 'max_frames'"),
        ("PROVIDERS", "[1]", "DUALTRACK_PROVIDERS: expected words with commas between, or a JSON list of texts"),
        ("REDIS_URL", "localhost:6379/s3cret", r"DUALTRACK_REDIS_URL: expected redis://\S+, rediss://… or unix://PATH"),
        ("REDIS_URL", "redis://h/s3cret", r"DUALTRACK_REDIS_URL: expected redis://\S+, rediss://… or unix://PATH"),
        ("REDIS_URL", "redis://h?s3cret=1", r"DUALTRACK_REDIS_URL: expected redis://\S+, rediss://… or unix://PATH"),
        ("REDIS_URL", "redis://h/-1", r"DUALTRACK_REDIS_URL: expected redis://\S+, rediss://… or unix://PATH"),
        ("API_KEY", "s3cret ", "DUALTRACK_API_KEY: expected printable ASCII characters, without a space at"),
        ("API_KEY", "s3cretä", "DUALTRACK_API_KEY: expected printable ASCII characters"),
        ("API_KEY", "s3cret\nX", "DUALTRACK_API_KEY: expected printable ASCII characters"),
        ("TRITON_URL", "triton:99999", "DUALTRACK_TRITON_URL: expected host:port, got 'triton:99999'"),
        ("ENGINE_SILENT_S", "inf", "DUALTRACK_ENGINE_SILENT_S: expected a finite number, got 'inf'"),
        ("JOB_DEADLINE_S", "inf", "DUALTRACK_JOB_DEADLINE_S: expected a finite number, got 'inf'"),
        ("APIKEY", "x", "DUALTRACK_APIKEY: expected the name of a setting, .* did you mean DUALTRACK_API_KEY"),
        ("LIMITS__MAX_FRAME", "1", "DUALTRACK_LIMITS__MAX_FRAME: .* did you mean DUALTRACK_LIMITS__MAX_FRAMES"),
        ("ALIVE_FILE", "x", "DUALTRACK_ALIVE_FILE: .* did you mean DUALTRACK_LIVENESS_FILE"),
    ],
)
def test_a_wrong_setting_is_one_line(variable: str, value: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DUALTRACK_{variable}", value)
    with pytest.raises(ConfigurationError, match=f"^{wanted}") as refused:
        Settings()
    assert "\n" not in refused.value.detail
    assert "s3cret" not in refused.value.detail


@pytest.mark.parametrize("name", ["DUALTRACKAPI_KEY", "DUAL_TRACK_API_KEY", "dualtrak_api_key"])
def test_a_setting_with_a_mistyped_prefix_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "k")
    with pytest.raises(ConfigurationError, match=f"^{name}: .* did you mean DUALTRACK_API_KEY"):
        Settings()


def test_a_file_of_secrets_with_a_mistyped_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dualtrack_apikey").write_text("k")
    with pytest.raises(ConfigurationError, match=r"dualtrack_apikey: .* did you mean DUALTRACK_API_KEY"):
        Settings(_secrets_dir=tmp_path)


@pytest.mark.parametrize(
    ("variable", "value", "setting", "wanted"),
    [
        ("DUALTRACK_HOST", "[::1]", "host", "::1"),
        ("DUALTRACK_LOG_LEVEL", "INFO", "log_level", "info"),
        ("DUALTRACK_TRITON_URL", "", "triton_url", None),
        ("DUALTRACK_PROVIDERS", "A, B", "providers", ("A", "B")),
        ("DUALTRACK_PROVIDERS", '["A", "B"]', "providers", ("A", "B")),
        ("DUALTRACK_DATA_DIR", "/a#b/%20/../c?", "data_dir", Path("/a#b/c?")),
        ("DUALTRACK_MODEL_REPOSITORY", "~/models", "model_repository", Path.home() / "models"),
        ("DUALTRACK_DETECTOR", "~/d.toml", "detector", Path.home() / "d.toml"),
        ("DUALTRACK_LIVENESS_FILE", "~/alive", "liveness_file", Path.home() / "alive"),
        ("DUALTRACK_API_KEY", "a b", "api_key", SecretStr("a b")),
        ("DUALTRACK_PORT", "tcp://10.0.0.7:80", "port", 8080),
        ("DUALTRACK_SERVICE_HOST", "10.0.0.7", "port", 8080),
        ("DUALTRACK_PORT_8080_TCP_ADDR", "10.0.0.7", "port", 8080),
        ("DUALTRACK_API_PORT", "tcp://10.0.0.7:80", "port", 8080),
        ("DUALTRACK_TEST_PICTURE", "x.png", "port", 8080),
        ("DUALISM", "yes", "port", 8080),
    ],
)
def test_what_a_variable_sets(
    variable: str, value: str, setting: str, wanted: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(Settings(), setting) == wanted


def test_variables_that_kubernetes_sets_for_services_are_logged() -> None:
    """In a process of its own, because logging is configured for the whole process."""
    links = {"DUALTRACK_PORT": "tcp://10.0.0.7:80", "DUALTRACK_SERVICE_HOST": "10.0.0.7"}
    code = "from service.telemetry import configure_logging; configure_logging('info', json=True)"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, **links, "DUALTRACK_HOST": "10.0.0.7"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert [(line["level"], line["names"]) for line in map(json.loads, done.stderr.splitlines())] == [
        ("warning", sorted(links))
    ]


def test_variables_of_compose_files_are_no_mistyped_settings() -> None:
    files = ("docker-compose.yml", "Makefile", "docker/check.py", "docker/stand_ins.py")
    root = Path(__file__).parents[2]
    named = {name for file in files for name in re.findall(r"\bDUALTRACK_[A-Z_]+\b", (root / file).read_text())}
    assert {"DUALTRACK_SECRETS", "DUALTRACK_WORKERS", "DUALTRACK_PYTHON_IMAGE"} <= named
    assert list(mistakes(dict.fromkeys(named, "x"), variables())) == []


@pytest.mark.parametrize(
    ("settings", "served"),
    [
        ({"host": "127.0.0.1"}, True),
        ({"host": "127.9.9.9"}, True),
        ({"host": "::1"}, True),
        ({"host": "localhost"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "::"}, False),
        ({"host": "192.168.0.7"}, False),
        ({"host": "example.org"}, False),
        ({"host": "0.0.0.0", "api_key": "k"}, True),
        ({"host": "0.0.0.0", "api_key": ""}, False),
        ({"host": "::", "allow_anonymous": True}, True),
    ],
)
def test_other_machines_are_not_served_without_a_key_by_accident(settings: dict[str, Any], served: bool) -> None:
    refused = contextlib.nullcontext() if served else pytest.raises(ConfigurationError, match="DUALTRACK_API_KEY: ")
    with refused:
        Settings(**settings).require_key()
