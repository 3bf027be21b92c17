"""The overlay as a file: its colors, its times, its sound."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from dualtrack.errors import Unavailable
from evaluation.bench.meters.processes import children
from service.media.children.render import work
from service.media.codecs import SOUND_COPIED
from service.media.limits import VideoLimits
from service.media.probe import probe
from service.media.render import render_overlay
from service.media.times import rising
from service.structures.arrays import F64

BARS = np.array(
    [[200, 30, 30], [30, 180, 30], [30, 30, 200], [200, 200, 30], [30, 200, 200], [190, 190, 190]], np.uint8
)
RATE, HZ = 10, 48_000


def bars(hw: tuple[int, int]) -> np.ndarray:
    image = np.repeat(BARS, np.diff(np.linspace(0, hw[1], len(BARS) + 1).astype(int)), axis=0)
    return np.broadcast_to(image, (*hw, 3)).copy()


def video(
    path: Path, hw: tuple[int, int], *, matrix: int = 0, tagged: bool = True, params: str = "", frames: int = 2
) -> Path:
    """Color bars; `matrix` 1 is BT.709, 5 BT.601."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(
            "libx264", rate=RATE, options={"crf": "4", "preset": "ultrafast", "x264-params": params}
        )
        stream.height, stream.width, stream.pix_fmt = *hw, "yuv420p"
        if tagged and matrix:
            stream.codec_context.colorspace = matrix
        planes = VideoFrame.from_ndarray(bars(hw), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=matrix or None, dst_color_range=1
        )
        for number in range(frames):
            planes.pts, planes.time_base = number, Fraction(1, RATE)
            planes.colorspace = matrix if tagged and matrix else 2
            out.mux(stream.encode(planes))
        out.mux(stream.encode())
    return path


def overlay(path: Path, times: Sequence[float], fps: float = RATE) -> tuple[Path, list[str]]:
    """The overlay of a video without objects, and what is noted."""
    drawings, out = path.with_suffix(".drawings"), path.with_name("overlay.mp4")
    drawings.write_text("[]")
    job = {
        "path": str(path),
        "limits": asdict(VideoLimits()),
        "fps": fps,
        "times": list(times),
        "drawings": str(drawings),
        "out": str(out),
    }
    answer = work(job)
    assert answer["frames"] == len(times)
    assert [each.name for each in path.parent.iterdir() if "silent" in each.name] == []
    return out, answer.get("notes", [])


def middles(path: Path) -> F64:
    """Color in the middle of every bar of the first frame, read with the matrix that the file names."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        image = frame.to_ndarray(format="rgb24")
    height, width = image.shape[:2]
    columns = ((np.arange(len(BARS)) + 0.5) * width / len(BARS)).astype(int)
    return image[height // 2 - 2 : height // 2 + 2, columns].mean(axis=0)


@pytest.mark.parametrize(
    ("hw", "matrix", "tagged"),
    [
        pytest.param((480, 640), 5, True, id="480-lines-bt601"),
        pytest.param((480, 640), 5, False, id="480-lines-untagged"),
        pytest.param((480, 640), 1, True, id="480-lines-bt709"),
        pytest.param((720, 1280), 1, True, id="720-lines-bt709"),
        pytest.param((720, 1280), 1, False, id="720-lines-untagged"),
        pytest.param((720, 1280), 5, True, id="720-lines-bt601"),
        pytest.param((2160, 3840), 1, True, id="2160-lines-bt709"),
        pytest.param((2160, 3840), 1, False, id="2160-lines-untagged"),
        pytest.param((2160, 3840), 9, True, id="2160-lines-bt2020"),
    ],
)
def test_color_bars_keep_their_colors_in_one_matrix_that_is_tagged(
    hw: tuple[int, int], matrix: int, tagged: bool, tmp_path: Path
) -> None:
    out, notes = overlay(video(tmp_path / "v.mp4", hw, matrix=matrix, tagged=tagged), [0.0, 0.1])
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)
    assert np.abs(middles(out) - BARS).max() <= 4
    assert notes == []


@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG")])
def test_hdr_is_said_not_to_be_tone_mapped_and_keeps_its_tags(transfer: str, name: str, tmp_path: Path) -> None:
    params = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    out, notes = overlay(video(tmp_path / "v.mp4", (96, 128), params=params), [0.0, 0.1])
    assert notes == [f"the video is HDR ({name}) and is not tone-mapped"]
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_primaries) == (1, 9)
        assert frame.color_trc in {16, 18}
        assert container.metadata["comment"] == f"HDR ({name}), not tone-mapped"


def timed(path: Path, times: Sequence[float]) -> Path:
    """A gray video whose frames are shown at these times."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate(times):
            frame = VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        pytest.param([t / 10 for t in range(6)], 0.6, id="plain"),
        pytest.param([36_000 + t / 10 for t in range(6)], 0.6, id="begins-after-ten-hours"),
        pytest.param([0, 0.1, 0.2, 500.3, 500.4, 500.5], 500.6, id="a-gap"),
        pytest.param([7, 7.1, 7.2, 17.2, 17.3], 10.4, id="a-gap-after-a-late-begin"),
    ],
)
def test_an_overlay_begins_at_0_and_ends_a_step_after_its_last_frame(
    times: Sequence[float], seconds: float, tmp_path: Path
) -> None:
    path = timed(tmp_path / "v.mkv", times)
    info = asyncio.run(probe(path, VideoLimits()))
    assert info.fps == pytest.approx(RATE)
    assert info.duration_s == pytest.approx(seconds)
    out, _ = overlay(path, times, info.fps)
    with av.open(str(out)) as container:
        assert container.duration == pytest.approx(seconds * 1e6, abs=2)
        shown = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert shown == pytest.approx([time - times[0] for time in times], abs=1e-4)


def with_sound(path: Path, codec: str, *, begin: float = 0.0, frames: int = 8, late: float = 0.0) -> Path:
    """A video whose pictures begin at `begin`, and two seconds of a tone from `begin` + `late` on."""
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("libx264", rate=RATE, options={"bf": "0"})
        pictures.height, pictures.width, pictures.pix_fmt = 48, 64, "yuv420p"
        sound = out.add_stream(codec, rate=HZ, layout="stereo")
        tone = np.sin(np.arange(2 * HZ) * 0.05) * 0.5
        for number in range(frames):
            frame = VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number + round(begin * RATE), Fraction(1, RATE)
            out.mux(pictures.encode(frame))
        heard = av.AudioFrame.from_ndarray(np.stack([tone, tone]).astype(np.float32), format="fltp", layout="stereo")
        heard.sample_rate, heard.time_base, heard.pts = HZ, Fraction(1, HZ), round((begin + late) * HZ)
        for stream, given in ((sound, heard), (sound, None), (pictures, None)):
            out.mux(stream.encode(given))
    return path


def heard_in(path: Path) -> tuple[str, F64]:
    """Codec, and the times of what is heard."""
    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(audio=0) if np.abs(frame.to_ndarray()).max() > 0.1]
        times = np.array([float(frame.pts * frame.time_base) for frame in frames])
        return container.streams.audio[0].codec_context.codec.canonical_name, times


@pytest.mark.parametrize(
    ("name", "codec", "kept"),
    [
        pytest.param("v.mp4", "aac", "aac", id="aac"),
        pytest.param("v.mp4", "libmp3lame", "mp3", id="mp3"),
        pytest.param("v.mkv", "libopus", "opus", id="opus"),
        pytest.param("v.ts", "aac", "aac", id="aac-of-mpeg-ts"),
        pytest.param("v.mov", "pcm_s16le", "aac", id="pcm"),
        pytest.param("v.ts", "mp2", "aac", id="mp2"),
    ],
)
@pytest.mark.parametrize("begin", [0.0, 50.0])
def test_sound_is_kept_and_stays_with_its_pictures(
    name: str, codec: str, kept: str, begin: float, tmp_path: Path
) -> None:
    path = with_sound(tmp_path / name, codec, begin=begin, late=0.3)
    with av.open(str(path)) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    out, notes = overlay(path, times)
    found, heard = heard_in(out)
    assert (found, notes) == (kept, [])
    assert heard[0] == pytest.approx(0.3, abs=0.06)
    # the tone is longer than the pictures
    assert heard[-1] == pytest.approx(0.8, abs=0.06)
    assert all(earlier < later for earlier, later in pairwise(heard))
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) == len(times)


@pytest.mark.parametrize("codec", [pytest.param("aac", id="copied"), pytest.param("mp2", id="coded-again")])
def test_joined_recordings_keep_the_sound_of_all_parts(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "v.ts"
    # the clock of the second one is behind that of the first one
    parts = [with_sound(tmp_path / f"{begin}.ts", codec, begin=begin, frames=20) for begin in (10.0, 3.0)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    for part in parts:
        part.unlink()
    with av.open(str(path)) as container:
        times = rising([float(frame.pts * frame.time_base) for frame in container.decode(video=0)])
    assert times[-1] - times[0] == pytest.approx(3.9)
    out, notes = overlay(path, times)
    _, heard = heard_in(out)
    assert (heard[0], heard[-1]) == pytest.approx((0.0, 3.9), abs=0.1)
    assert max(later - earlier for earlier, later in pairwise(heard)) < 0.1
    assert notes == []


@pytest.mark.parametrize(("rotation", "shown"), [(0, Fraction(16, 11)), (90, Fraction(11, 16))])
def test_pixels_keep_their_shape(
    rotation: int, shown: Fraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.media.children.render.rotation_of", lambda _: rotation)
    path = video(tmp_path / "v.mkv", (96, 128), params="sar=16/11")
    out, _ = overlay(path, [0.0, 0.1])
    with av.open(str(out)) as container:
        assert container.streams.video[0].sample_aspect_ratio == shown


def test_sound_that_cannot_be_used_is_left_out_and_said(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "v.mkv", "wavpack")
    out, notes = overlay(path, [number / RATE for number in range(8)])
    assert notes == ["the sound is left out: its codec is wavpack"]
    with av.open(str(out)) as container:
        assert not container.streams.audio
        assert len(list(container.decode(video=0))) == 8


def test_sound_that_is_broken_costs_no_picture(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "v.mkv", "mp2")
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    for place, size in places[3:]:
        content[place + 10 : place + size] = bytes(size - 10)
    path.write_bytes(content)
    out, _ = overlay(path, [number / RATE for number in range(8)])
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) == 8


def test_codecs_are_named_as_ffmpeg_names_them() -> None:
    assert {av.Codec(name, "r").canonical_name for name in SOUND_COPIED} == SOUND_COPIED


def rendered(path: Path, frames: int, on_frame: Callable[[int], None]) -> list[str]:
    """The overlay by a child process; the files beside the video."""
    times = [number / RATE for number in range(frames)]
    out = path.with_name("overlay.mp4")
    asyncio.run(render_overlay(path, RATE, times, VideoLimits(), [], out, on_frame))
    return sorted(each.name for each in path.parent.iterdir())


def test_a_child_draws_and_says_what_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, done = with_sound(tmp_path / "v.mkv", "wavpack"), list[int]()
    assert rendered(path, 8, done.append) == ["overlay.mp4", "v.mkv"]
    assert done[-1] == 8
    assert caplog.messages == ["overlay: the sound is left out: its codec is wavpack"]


def test_a_child_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    def kill(_: int) -> None:
        for pid in children():
            os.kill(pid, signal.SIGKILL)

    path = video(tmp_path / "v.mp4", (720, 1280), frames=60)
    # from outside: not the file's fault
    with pytest.raises(Unavailable, match="killed by SIGKILL"):
        rendered(path, 60, kill)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_as_such_and_nothing_stays(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "v.mkv", "aac")
    (tmp_path / "overlay.silent.mp4").symlink_to("/dev/full")
    with pytest.raises(Unavailable) as full:
        rendered(path, 8, lambda _: None)
    assert full.value.code == "disk-full"
    assert [each.name for each in tmp_path.iterdir()] == ["v.mkv"]
