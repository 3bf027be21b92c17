"""docs/how-to/limits.md: a video beyond a limit is refused with the code that the page names."""

import asyncio
import re
from pathlib import Path

import pytest

from dualtrack.errors import DualtrackError
from service.media.decode import decode
from service.media.limits import VideoLimits
from service.media.probe import probe
from tests.support.clips import plain
from tests.unit.docs.pages import ROOT

TEXT = (ROOT / "docs" / "how-to" / "limits.md").read_text()
CODES = dict(re.findall(r"^\| `DUALTRACK_LIMITS__(\w+)` \| `[^`]+` \| `([a-z-]+)` \|", TEXT, re.MULTILINE))


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(VideoLimits(max_duration_s=0.1), id="MAX_DURATION_S"),
        pytest.param(VideoLimits(max_frames=3), id="MAX_FRAMES"),
        pytest.param(VideoLimits(max_store_bytes=10), id="MAX_STORE_BYTES"),
        pytest.param(VideoLimits(max_bytes=10), id="MAX_BYTES"),
        pytest.param(VideoLimits(max_side=100), id="MAX_SIDE"),
        pytest.param(VideoLimits(max_pixels=1000), id="MAX_PIXELS"),
        pytest.param(VideoLimits(min_side=100), id="MIN_SIDE"),
    ],
)
def test_the_code_of_a_limit(limits: VideoLimits, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    clip = plain(tmp_path / "clip.mp4")

    async def look() -> None:
        info = await probe(clip, limits)
        await decode(clip, info, limits, network_hw=(96, 128), directory=tmp_path / "frames", on_frame=lambda _: None)

    with pytest.raises(DualtrackError) as refused:
        asyncio.run(look())
    assert refused.value.code == CODES[request.node.callspec.id]
