"""Stored frames are what was decoded, to the bit; and what can go wrong while they are stored."""

import asyncio
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from dualtrack.errors import InvalidVideo, Unavailable
from evaluation.bench.meters.processes import resident
from service.media.children.guard import run_child
from service.media.decode import decode
from service.media.frames.clip import Clip
from service.media.frames.frame_writer import FrameWriter
from service.media.frames.stored_frames import StoredFrames
from service.media.limits import VideoLimits
from service.media.probe import probe
from service.media.resize import resized, upright
from service.media.stream import open_video, rotation_of
from tests.support.clips import PEDESTRIANS, cut, plain, stored
from tests.support.patience import PATIENCE_S

LIMITS = VideoLimits()
NOISE = np.random.default_rng(5)


def gradients(hw: tuple[int, int], frames: int = 3) -> np.ndarray:
    rows, columns = np.mgrid[: hw[0], : hw[1]]
    image = np.stack([rows, columns, rows + columns], -1)
    return np.stack([image + 7 * t for t in range(frames)]).astype(np.uint8)


def noise(hw: tuple[int, int], frames: int = 3) -> np.ndarray:
    return NOISE.integers(0, 256, (frames, *hw, 3), np.uint8)


def real(hw: tuple[int, int], frames: int = 3) -> np.ndarray:
    with av.open(str(PEDESTRIANS)) as given:
        decoded = [frame for frame, _ in zip(given.decode(video=0), range(frames), strict=False)]
    return np.stack([resized(frame.to_ndarray(format="rgb24"), hw) for frame in decoded])


@pytest.mark.parametrize("make", [noise, gradients, real])
@pytest.mark.parametrize("hw", [(1, 1), (1, 640), (16, 16), (37, 53), (384, 640)])
def test_rgb_comes_back_to_the_bit(make: Callable[..., np.ndarray], hw: tuple[int, int], tmp_path: Path) -> None:
    images = make(hw)
    clip = stored(tmp_path / "clip", images)
    for index in (2, 0, 1, 2, 1):
        assert np.array_equal(clip.frame(index), images[index])
    clip.close()
    assert not (tmp_path / "clip").exists()


def shaded(image: np.ndarray, **attributes: int) -> VideoFrame:
    """4:2:0 with these samples, whatever they mean."""
    height, width = image.shape[:2]
    samples = np.resize(image, (height * 3 // 2, width))
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(samples), format="yuv420p")
    for name, value in attributes.items():
        setattr(frame, name, value)
    return frame


def as_before(frame: VideoFrame, network_hw: tuple[int, int]) -> np.ndarray:
    """Conversion to RGB at full size, then resizing."""
    return resized(upright(frame, rotation_of(frame)), network_hw)


@pytest.mark.parametrize("network_hw", [(96, 160), (108, 180)])
@pytest.mark.parametrize("color_range", [ColorRange.UNSPECIFIED, ColorRange.MPEG, ColorRange.JPEG])
def test_planes_come_back_to_the_bit(color_range: int, network_hw: tuple[int, int], tmp_path: Path) -> None:
    images = np.concatenate([make((96, 160), 2) for make in (noise, gradients, real)])
    for colorspace in (1, 2, 5, 6, 9):
        frames = [shaded(image, colorspace=colorspace, color_range=color_range) for image in images]
        wanted = [as_before(frame, network_hw) for frame in frames]
        folder = tmp_path / str(colorspace)
        folder.mkdir()
        with FrameWriter(folder, network_hw, max_bytes=1 << 20) as writer:
            for frame in frames:
                writer.add(frame, 0.0)
            writer.finish()
        assert [coding.pix_fmt for coding in writer.codings] == ["yuv420p"]
        read = StoredFrames(folder, network_hw, writer.codings)
        for index in (2, 1, 0, 5, 4, 3):
            assert np.array_equal(read.read(index), wanted[index])
        read.close()


def turned(path: Path) -> Path:
    """A quarter turn by the track header's matrix."""
    cut(path, 4, hw=(144, 192))
    content = path.read_bytes()
    place = content.index(b"tkhd") + 4 + 40
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 144 << 16, 0, 1 << 30)
    path.write_bytes(content[:place] + matrix + content[place + 36 :])
    return path


def coded(path: Path, codec: str, pix_fmt: str, hw: tuple[int, int] = (144, 192), **options: str) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10, options=options)
        stream.height, stream.width, stream.pix_fmt = *hw, pix_fmt
        for image in real(hw, 4):
            out.mux(stream.encode(VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())
    return path


def opened(path: Path, network_hw: tuple[int, int], folder: Path, limits: VideoLimits = LIMITS) -> Clip:
    async def work() -> Clip:
        info = await probe(path, limits)
        return await decode(path, info, limits, network_hw=network_hw, directory=folder, on_frame=lambda _: None)

    return asyncio.run(work())


def frames_of(path: Path) -> Iterator[VideoFrame]:
    container, stream, _ = open_video(path, LIMITS.max_pixels)
    with container:
        yield from container.decode(stream)


@pytest.mark.parametrize(
    ("make", "network_hw"),
    [
        pytest.param(lambda p: cut(p, 4, hw=(144, 192)), (144, 192), id="its-own-size"),
        pytest.param(lambda p: cut(p, 4, hw=(144, 192)), (384, 512), id="enlarged"),
        pytest.param(turned, (192, 144), id="turned"),
        pytest.param(turned, (384, 288), id="turned-and-enlarged"),
        pytest.param(lambda p: coded(p, "mpeg4", "yuv420p", (145, 191)), (145, 191), id="odd-sides"),
        pytest.param(lambda p: coded(p, "libx264", "yuv444p"), (96, 128), id="4:4:4-made-smaller"),
        pytest.param(lambda p: coded(p, "libx264", "yuv420p10le"), (144, 192), id="ten-bits"),
        pytest.param(lambda p: coded(p.with_suffix(".mov"), "qtrle", "rgb24"), (144, 192), id="rgb"),
        pytest.param(lambda p: coded(p.with_suffix(".avi"), "mjpeg", "yuvj420p"), (144, 192), id="jpeg-range"),
        pytest.param(
            lambda p: coded(p, "libx264", "yuv420p", flags="+ildct", **{"x264-params": "interlaced=1"}),
            (144, 192),
            id="interlaced",
        ),
        pytest.param(
            lambda p: coded(p, "libx264", "yuv420p", **{"x264-params": "fullrange=on:colormatrix=bt709"}),
            (144, 192),
            id="full-range-bt709",
        ),
    ],
)
def test_decoded_and_stored_is_decoded(
    make: Callable[[Path], Path], network_hw: tuple[int, int], tmp_path: Path
) -> None:
    """Tolerance 0 for all video that is not made smaller with its planes."""
    path = make(tmp_path / "v.mp4")
    clip = opened(path, network_hw, tmp_path / "frames")
    wanted = [as_before(frame, network_hw) for frame in frames_of(path)]
    assert len(clip) == len(wanted) == 4
    for index in reversed(range(4)):
        assert np.array_equal(clip.frame(index), wanted[index])
    clip.close()


def test_planes_made_smaller_are_close_to_rgb_made_smaller(tmp_path: Path) -> None:
    """Scaling before conversion rounds in another place, and halves the color's resolution."""
    clip = opened(PEDESTRIANS, (384, 512), tmp_path / "frames")
    for index, frame in zip(range(10), frames_of(PEDESTRIANS), strict=False):
        difference = np.abs(clip.frame(index).astype(int) - as_before(frame, (384, 512)))
        assert difference.mean() < 1
        assert np.percentile(difference, 99) <= 8
    clip.close()


def test_full_range_stays_full_range_when_made_smaller(tmp_path: Path) -> None:
    path = coded(tmp_path / "v.mp4", "libx264", "yuv420p", **{"x264-params": "fullrange=on", "crf": "5"})
    clip = opened(path, (72, 96), tmp_path / "frames")
    for index, frame in enumerate(frames_of(path)):
        assert abs(clip.frame(index).mean() - as_before(frame, (72, 96)).mean()) < 1
    clip.close()


def test_a_frame_is_read_only_and_numbered_from_0(tmp_path: Path) -> None:
    clip = stored(tmp_path / "clip", gradients((16, 16)))
    with pytest.raises(ValueError, match="read-only"):
        clip.frame(0)[:] = 0
    for index in (-1, 3):
        with pytest.raises(IndexError, match=f"from 0 to 2, got {index}"):
            clip.frame(index)
    clip.close()


def test_reading_all_frames_backwards_takes_no_more_memory_than_its_budget(tmp_path: Path) -> None:
    images = np.stack([np.full((384, 640, 3), t % 256, np.uint8) for t in range(2)])
    clip = stored(tmp_path / "clip", np.concatenate([images] * 100))  # 147 MB
    for index in range(199, 150, -1):
        clip.frame(index)
    before = resident(os.getpid())
    for index in range(150, -1, -1):
        assert clip.frame(index)[0, 0, 0] == index % 2
    assert resident(os.getpid()) - before < 30e6
    clip.close()


def test_a_size_that_changes_in_mid_stream(tmp_path: Path) -> None:
    """Frames of the second size are stretched to that of the first, as before."""
    path = tmp_path / "v.ts"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 144, 192, "yuv420p"
        for start, hw in ((0, (144, 192)), (3, (288, 256)), (6, (144, 192))):
            context = av.CodecContext.create("libx264", "w")
            context.height, context.width, context.pix_fmt = *hw, "yuv420p"
            context.time_base, context.options = Fraction(1, 10), {"bf": "0"}
            packets = []
            for number, image in enumerate(real(hw, 3)):
                frame = VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = start + number
                packets += context.encode(frame)
            for packet in [*packets, *context.encode()]:
                packet.stream = stream
                out.mux(packet)
    frames = list(frames_of(path))
    assert {(frame.height, frame.width) for frame in frames} == {(144, 192), (288, 256)}
    clip = opened(path, (144, 192), tmp_path / "frames")
    assert len(clip) == len(frames)
    for index, frame in enumerate(frames):
        assert np.array_equal(clip.frame(index), as_before(frame, (144, 192)))
    clip.close()


def test_a_frame_that_is_missing_in_the_middle(tmp_path: Path) -> None:
    whole, path = cut(tmp_path / "whole.mp4", 12), tmp_path / "v.mp4"
    with av.open(str(whole)) as given, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for index, packet in enumerate(given.demux(video=0)):
            if packet.size and index != 5:
                packet.stream = stream
                out.mux(packet)
    clip = opened(path, (288, 384), tmp_path / "frames")
    wanted = [as_before(frame, (288, 384)) for frame in frames_of(path)]
    assert len(clip) == len(wanted) == 11
    assert all(np.array_equal(clip.frame(index), image) for index, image in enumerate(wanted))
    clip.close()


@pytest.mark.parametrize(("frames", "match"), [(12, "first [0-9]+ frames exceed the limit"), (3000, "at least")])
def test_the_store_is_bounded_while_it_grows_and_before(frames: int, match: str, tmp_path: Path) -> None:
    path = cut(tmp_path / "v.mp4", 12)
    limits = replace(LIMITS, max_store_bytes=300_000)

    async def work() -> None:
        info = replace(await probe(path, limits), frames=frames)
        await decode(path, info, limits, network_hw=(288, 384), directory=tmp_path / "f", on_frame=lambda _: None)

    with pytest.raises(InvalidVideo, match=f"{match}.*max_store_bytes.*300000") as refused:
        asyncio.run(work())
    assert refused.value.code == "too-many-frames"
    assert not list((tmp_path / "f").iterdir())


def stored_by_child(path: Path, out: Path, file_bytes: int) -> None:
    job = {
        "path": str(path),
        "limits": asdict(LIMITS),
        "network_hw": [96, 128],
        "out": str(out),
        "memory_bytes": LIMITS.memory_bytes,
        "cpu_s": 60,
        "file_bytes": file_bytes,
    }
    asyncio.run(run_child("service.media.children.decode", job, wall_s=PATIENCE_S))


def test_a_full_disk_is_not_the_videos_fault(tmp_path: Path) -> None:
    path = plain(tmp_path / "v.mp4", 12)
    for number, file_bytes in enumerate((1 << 30, 3000)):
        out = tmp_path / str(number)
        out.mkdir()
        if not number:
            (out / "frames").symlink_to("/dev/full")
        with pytest.raises(Unavailable, match="disk: no space") as full:
            stored_by_child(path, out, file_bytes)
        assert full.value.code == "disk-full"


def test_a_disk_that_cannot_hold_the_video_is_seen_before(tmp_path: Path) -> None:
    path = plain(tmp_path / "v.mp4", 4)

    async def work() -> None:
        info = replace(await probe(path, LIMITS), frames=1 << 40)
        limits = replace(LIMITS, max_store_bytes=1 << 60)
        await decode(path, info, limits, network_hw=(96, 128), directory=tmp_path / "f", on_frame=lambda _: None)

    with pytest.raises(Unavailable, match=r"need at least .* are free"):
        asyncio.run(work())
