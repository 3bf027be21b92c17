"""What is known of a clip before it is decoded."""

import asyncio

import numpy as np
import pytest

from service.media.frames.clip import Clip
from service.media.video_info import VideoInfo
from service.pipeline.store.known_clip import ClipFacts, KnownClip

INFO = VideoInfo("mp4", "h264", 64, 48, 5, 0.5, 10.0, 90, False, 1000)
FACTS = ClipFacts(INFO, np.array([0.0, 1 / 3, 0.1 + 0.2]), "frame 3: broken")


async def refuse() -> Clip:
    raise AssertionError("nobody wants a frame")


def test_facts_come_back_bit_for_bit() -> None:
    back = ClipFacts.unpack(FACTS.pack())
    assert (back.probed, back.damage) == (FACTS.probed, FACTS.damage)
    np.testing.assert_array_equal(back.timestamps, FACTS.timestamps)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", FACTS.pack()[:-9], FACTS.pack().replace(b"codec", b"kodec")])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"read|Expecting|Unterminated|delimiter"):
        ClipFacts.unpack(data)


def test_it_has_the_frames_that_were_decoded_and_decodes_none() -> None:
    clip = KnownClip(FACTS, (48, 64), refuse)
    assert (len(clip), clip.info.frames, clip.frame_hw, list(clip.indices)) == (3, 3, (48, 64), [0, 1, 2])
    with pytest.raises(ValueError, match="not decoded yet"):
        clip.frame(0)
    clip.close()


def test_it_is_decoded_once() -> None:
    made: list[str] = []

    class Decoded:
        def frame(self, index: int) -> int:
            return index + 7

        def close(self) -> None:
            made.append("closed")

    async def decode() -> Decoded:
        made.append("decoded")
        return Decoded()

    clip = KnownClip(FACTS, (48, 64), decode)  # type: ignore[arg-type]
    asyncio.run(clip.ready())
    asyncio.run(clip.ready())
    assert clip.frame(1) == 8
    clip.close()
    assert made == ["decoded", "closed"]
