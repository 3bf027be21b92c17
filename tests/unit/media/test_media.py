"""Every kind of bad file has its code; odd ones are read."""

import asyncio
import re
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from dualtrack.errors import InvalidVideo
from service.media.children.render import work as render
from service.media.decode import decode
from service.media.limits import VideoLimits
from service.media.probe import probe
from service.media.video_info import VideoInfo
from tests.support.clips import cut, plain, tiny
from tests.support.heif import heif

LIMITS = VideoLimits()


def look(path: Path, limits: VideoLimits = LIMITS) -> VideoInfo:
    return asyncio.run(probe(path, limits))


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        out.mux(stream.encode(frame))
        out.mux(stream.encode())


def truncated(path: Path) -> None:
    whole = plain(path.with_name("whole.mp4")).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def huge(path: Path) -> None:
    """A decompression bomb: a megabyte, 128 million pixels. This codec needs the least memory to write one."""
    with av.open(str(path), "w", format="mov") as out:
        stream = out.add_stream("qtrle", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16_000, 8_000, "gray"
        out.mux(stream.encode(av.VideoFrame(16_000, 8_000, "gray")))
        out.mux(stream.encode())


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(lambda p: p.write_bytes(b""), "empty-file", id="empty"),
        pytest.param(lambda p: p.write_text("not a video at all"), "unsupported-container", id="text"),
        pytest.param(
            lambda p: p.write_text("ffconcat version 1.0\nfile /etc/hosts\n"), "unsupported-container", id="ffconcat"
        ),
        pytest.param(lambda p: p.write_text("#EXTM3U\n#EXTINF:1,\nx.ts\n"), "unsupported-container", id="hls"),
        pytest.param(truncated, "malformed", id="truncated"),
        pytest.param(audio_only, "no-video", id="audio-only"),
        pytest.param(lambda p: plain(p, 2, hw=(2400, 4800)), "too-large", id="over-the-limit"),
        pytest.param(huge, "too-large", id="16000x8000"),
        pytest.param(lambda p: plain(p, 8, hw=(14, 14)), "too-small", id="tiny"),
        pytest.param(lambda p: p.write_bytes(heif(4)), "unsupported-container", id="tiles"),
        pytest.param(
            lambda p: p.write_bytes(heif(2, thumbnail=True)), "unsupported-container", id="tiles-and-thumbnail"
        ),
    ],
)
def test_refused(make, code: str, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    make(path)
    with pytest.raises(InvalidVideo) as refused:
        look(path)
    assert refused.value.code == code
    # the client did not send the server's paths, and has no use for FFmpeg's error numbers
    assert str(tmp_path) not in refused.value.detail
    assert "Errno" not in refused.value.detail


def test_a_picture_in_tiles_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    path = tmp_path / "v.avif"
    path.write_bytes(heif(3))
    with pytest.raises(InvalidVideo, match=r"in 3 tiles; convert it first: .*ffmpeg -i picture\.png picture\.mp4"):
        look(path)


@pytest.mark.parametrize("thumbnail", [False, True])
def test_a_picture_in_one_piece_is_a_video_of_one_frame(thumbnail: bool, tmp_path: Path) -> None:
    path = tmp_path / "v.avif"
    path.write_bytes(heif(1, thumbnail=thumbnail))
    assert (look(path).frames, look(path).width) == (1, 64)


def test_limits_are_named(tmp_path: Path) -> None:
    path = plain(tmp_path / "v.mp4", 12)
    for limits, code in (
        (VideoLimits(max_frames=5), "too-many-frames"),
        (VideoLimits(max_duration_s=0.5), "too-long"),
        (VideoLimits(max_bytes=10), "file-too-large"),
    ):
        with pytest.raises(InvalidVideo, match="limit max_") as refused:
            look(path, limits)
        assert refused.value.code == code


def test_twenty_thousand_tiny_frames(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=100)
        stream.height = stream.width = 16
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        for index in range(20_000):
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    with pytest.raises(InvalidVideo, match="max_frames") as refused:
        look(tmp_path / "v.mp4")
    assert refused.value.code == "too-many-frames"


def test_frames_in_any_order(tmp_path: Path) -> None:
    path = plain(tmp_path / "v.mp4", 6, value=200)
    info = look(path)

    async def read() -> list[int]:
        reported: list[int] = []
        clip = await decode(
            path, info, LIMITS, network_hw=(48, 64), directory=tmp_path / "frames", on_frame=reported.append
        )
        assert len(clip) == info.frames == 6
        assert clip.frame(5).shape == clip.frame(0).shape == (48, 64, 3)
        assert abs(int(clip.frame(3).mean()) - 200) < 4
        assert clip.timestamps == pytest.approx(np.arange(6) / 10)
        clip.close()
        with pytest.raises(ValueError, match="closed"):
            clip.frame(0)
        return reported

    assert info.time_base == "1/10240"  # what the MP4 muxer makes of 10 frames a second
    assert asyncio.run(read())[-1] == 6
    assert not list((tmp_path / "frames").iterdir())


def test_of_two_video_streams_the_default_is_taken_and_named(tmp_path: Path) -> None:
    path = tmp_path / "two.mp4"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("libx264", rate=10) for _ in range(2)]
        sizes = [(48, 64), (96, 128)]
        for stream, (height, width) in zip(streams, sizes, strict=True):
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        noise = np.random.default_rng(0)
        for _ in range(4):
            for stream, hw in zip(streams, sizes, strict=True):
                image = noise.integers(0, 255, (*hw, 3), np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream in streams:
            out.mux(stream.encode())
    info = look(path)
    assert (info.stream, info.width, info.height, info.frames) == (1, 128, 96, 4)


def decoded_frames(path: Path, folder: Path) -> tuple[int, int, str | None]:
    """Packets that the header tells of, frames that came out, damage."""
    info = look(path)

    async def read() -> tuple[int, int, str | None]:
        clip = await decode(path, info, LIMITS, network_hw=(48, 64), directory=folder, on_frame=lambda _: None)
        clip.close()
        assert clip.info.frames == len(clip)
        return info.frames, len(clip), clip.damage

    return asyncio.run(read())


def test_a_file_damaged_in_the_middle_gives_the_frames_before_and_says_why(tmp_path: Path) -> None:
    path = cut(tmp_path / "v.mp4", 40)
    with av.open(str(path)) as container:
        place = [packet.pos for packet in container.demux(video=0) if packet.pos][25]
    content = bytearray(path.read_bytes())
    content[place : place + 4] = b"\xff\xff\xff\xff"  # length of the unit that follows
    path.write_bytes(content)
    packets, frames, damage = decoded_frames(path, tmp_path / "frames")
    assert packets == 40
    assert 0 < frames < 40
    assert damage
    assert damage.startswith("Invalid data")
    assert damage.endswith(f"after frame {frames - 1} at {(frames - 1) / 10:.2f} s")


@pytest.mark.parametrize("flags", ["faststart", "frag_keyframe+empty_moov"])
def test_a_file_cut_off_between_two_frames_is_damaged(flags: str, tmp_path: Path) -> None:
    whole, path = cut(tmp_path / "whole.mp4", 12), tmp_path / "v.mp4"
    with av.open(str(whole)) as given, av.open(str(path), "w", options={"movflags": flags}) as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: places[8]])
    packets, frames, damage = decoded_frames(path, tmp_path / "frames")
    assert (packets, frames) == (8, 8)
    # in the order of decoding: later frames may be among them
    assert re.fullmatch(r"the file ends early, with 8 of its 12 frames, after frame 7 at [01]\.\d0 s", str(damage))


def test_frames_hidden_by_an_edit_list_are_not_counted(tmp_path: Path) -> None:
    path = cut(tmp_path / "v.mp4", 12)
    content = path.read_bytes()
    # elst, version 0, one entry: duration, media time, rate. The media time moves to the 5th frame.
    place = content.index(b"elst") + 4 + 8 + 4
    media_time = int.from_bytes(content[place : place + 4])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        ticks = round(4 / 10 / stream.time_base)
    path.write_bytes(content[:place] + (media_time + ticks).to_bytes(4) + content[place + 4 :])
    packets, frames, damage = decoded_frames(path, tmp_path / "frames")
    assert packets == 12
    assert frames == 8
    assert damage is None


def test_canceled_decoding_leaves_nothing(tmp_path: Path) -> None:
    path = plain(tmp_path / "v.mp4", 60, hw=(720, 1280))
    info = look(path)

    async def stop() -> None:
        def cancel(_: int) -> None:
            work.cancel()

        work = asyncio.create_task(
            decode(path, info, LIMITS, network_hw=(384, 640), directory=tmp_path / "f", on_frame=cancel)
        )
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(stop())
    assert not list((tmp_path / "f").iterdir())


@pytest.mark.parametrize(("side", "drawn"), [(1, 2), (16, 16), (17, 16)])
def test_overlay_of_a_tiny_video(side: int, drawn: int, tmp_path: Path) -> None:
    path, out = tiny(tmp_path / "tiny.mov", side), tmp_path / "overlay.mp4"
    (tmp_path / "drawings").write_text("[]")
    job = {"path": path, "limits": asdict(LIMITS), "fps": 10, "drawings": tmp_path / "drawings", "out": str(out)}
    assert render(job) == {"frames": 3}
    with av.open(str(out)) as overlay:
        assert [(frame.height, frame.width) for frame in overlay.decode(video=0)] == [(drawn, drawn)] * 3
