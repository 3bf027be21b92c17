"""Where settings come from."""

import json
from pathlib import Path

import pytest

from service.media.limits import VideoLimits
from service.pipeline.context import EngineSettings
from service.settings import Settings


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
        detector=Path("detector.toml"), providers=("A", "B"), limits=VideoLimits(max_side=7), checkpoint_frames=3
    )
    engine = settings.engine_settings()
    assert EngineSettings.from_json({**json.loads(json.dumps(engine.to_json())), "scratch": "s"}) == engine
    assert (engine.detector, engine.providers, engine.limits.max_side) == (Path("detector.toml"), ("A", "B"), 7)
    assert (engine.checkpoint_frames, engine.cache_dir) == (3, settings.cache_dir)
