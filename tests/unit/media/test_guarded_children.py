"""What a child that reads a foreign file, and an engine, get from their parent; and which decoders run."""

import ast
import asyncio
import contextlib
import os
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import SecretStr

from dualtrack.children import SECRETS, child_environment, confined_environment, program_environment
from dualtrack.engine.handle import EngineHandle
from dualtrack.errors import DualtrackError, InvalidVideo
from evaluation.bench.meters.processes import children
from service.media.decode import decode
from service.media.limits import VideoLimits
from service.media.probe import probe
from service.media.stream import open_video
from service.settings import Settings
from tests.support.clips import plain

ROOT = Path(__file__).parents[3]
LIMITS = VideoLimits()


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DUALTRACK_API_KEY", "DUALTRACK_REDIS_URL", "dualtrack_api_key", "dualtrack_Redis_URL"):
        monkeypatch.setenv(name, "a-secret")
    monkeypatch.setenv("DUALTRACK_THREADS", "1")
    monkeypatch.setenv("CLOUD_TOKEN", "another-secret")


def test_secret_settings_are_those_that_children_do_not_get() -> None:
    secret = {
        f"DUALTRACK_{name.upper()}" for name, field in Settings.model_fields.items() if _is_secret(field.annotation)
    }
    assert secret == SECRETS


def _is_secret(annotation: object) -> bool:
    return SecretStr.__name__ in str(annotation)


@pytest.mark.usefixtures("secrets")
def test_who_gets_what() -> None:
    programs, engines, confined = program_environment(), child_environment(), confined_environment()
    assert programs["DUALTRACK_API_KEY"] == "a-secret"
    assert "a-secret" not in engines.values()
    assert engines["DUALTRACK_THREADS"] == "1"
    assert not {"a-secret", "another-secret"} & set(confined.values())
    assert confined["PATH"] == os.environ["PATH"]


@pytest.mark.usefixtures("secrets")
def test_a_child_that_reads_a_foreign_file_has_no_secrets(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def work() -> None:
        path = plain(tmp_path / "v.mp4", 4)
        info = await probe(path, LIMITS)
        clip = await decode(path, info, LIMITS, network_hw=(48, 64), directory=tmp_path / "f", on_frame=look)
        clip.close()

    def look(_: int) -> None:
        for pid in children():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one that has just ended
                seen.append(Path(f"/proc/{pid}/environ").read_bytes())

    asyncio.run(work())
    assert any(b"PATH=" in environment for environment in seen)
    assert not any(b"secret" in environment for environment in seen)


@pytest.mark.usefixtures("secrets")
def test_an_engine_has_settings_and_no_secrets() -> None:
    found = "' '.join(f'{k}={v}' for k, v in os.environ.items() if k.upper().startswith('DUALTRACK_'))"
    failed = f"protocol.Failed(0, 'internal', {found}, True)"
    code = f"import os; from dualtrack import protocol; print(protocol.encode({failed}))"
    with pytest.raises(DualtrackError) as refused:
        asyncio.run(EngineHandle({}, (sys.executable, "-c", code)).start())
    assert "DUALTRACK_THREADS=1" in refused.value.detail
    assert "a-secret" not in refused.value.detail


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        pytest.param("avi", "huffyuv", "rgb24", id="avi"),
        pytest.param("avi", "utvideo", "yuv420p", id="avi-of-a-screen"),
        pytest.param("mov", "png", "rgb24", id="mov"),
    ],
)
def test_a_decoder_that_is_not_on_the_list_never_runs(suffix: str, codec: str, pix_fmt: str, tmp_path: Path) -> None:
    path = tmp_path / f"v.{suffix}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, pix_fmt
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode())
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as said, pytest.raises(InvalidVideo) as refused:
            open_video(path, LIMITS.max_pixels)
    finally:
        av.logging.set_level(level)
    assert refused.value.code == "unsupported-codec"
    assert any("not on whitelist" in message for _, _, message in said)


def test_files_are_opened_in_one_place() -> None:
    """Everywhere else `av.open` writes; who reads with it would forget the list of decoders."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in ("dualtrack", "service", "evaluation", "export", "training")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "av.open"
        and "'w'" not in map(ast.unparse, node.args)
    ]
    assert {place.partition(":")[0] for place in found} == {"service/media/stream.py"}
