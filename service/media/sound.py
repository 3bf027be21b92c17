"""The audio of a video for its overlay: copied if MP4 and browsers support it, otherwise encoded as AAC."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import Any, TypeVar

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.frame import Frame
from av.packet import Packet

from service.media.codecs import SOUND, SOUND_COPIED, SOUND_DECODED, VIDEO
from service.media.stream import message_of, open_foreign, time_of
from service.media.times import Clock

MP4 = {"movflags": "faststart"}
SILENT = ".silent.mp4"
"""Suffix of the temporary overlay without audio."""
Packets = Iterator["Packet[Any]"]
Timed = TypeVar("Timed", AudioFrame, "Packet[Any]")


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a video that its frames cover, in seconds of the file's own timestamps.

    Attributes:
        begin: time of the first frame.
        end: end of the last frame.
        shifts: of each stretch of one clock, as `times.clock_shifts` has them.
    """

    begin: float
    end: float
    shifts: Sequence[float] = (0.0,)


def add_sound(silent: Path, original: Path, out: Path, span: Span, on_packet: Callable[[], None]) -> str | None:
    """Write `out`, the frames of `silent` with the audio of `original`, and remove `silent`.

    Audio that can't be used is left out rather than failing the overlay.

    Args:
        silent: MP4, its first frame at 0.
        original: the video.
        out: MP4.
        span: covered by the frames.
        on_packet: called for every video packet.

    Returns:
        Why the audio is missing; None if it is included, or the original has none.
    """
    container, _ = open_foreign(original, SOUND)
    with container:
        stream = container.streams.best("audio") or next(iter(container.streams.audio), None)
        why = _join(silent, container, stream, out, span, on_packet) if isinstance(stream, AudioStream) else None
        if why is not None or not isinstance(stream, AudioStream):
            silent.replace(out)
            return why
    silent.unlink()
    return None


def _join(
    silent: Path, container: InputContainer, stream: AudioStream, out: Path, span: Span, on_packet: Callable[[], None]
) -> str | None:
    """Write `out`; the reason if that is not possible."""
    codec = _codec_of(stream)
    if codec not in SOUND_COPIED | SOUND_DECODED:
        return f"its codec is {codec}"
    taken = _copied if codec in SOUND_COPIED else _coded_again
    pictures, _ = open_foreign(silent, VIDEO)
    try:
        with pictures, av.open(str(out), "w", options=MP4) as output:
            if comment := pictures.metadata.get("comment"):
                output.metadata["comment"] = comment
            shown = _pictures(pictures, output, on_packet)
            heard = taken(container, stream, output, span)
            for packet in merge(shown, heard, key=_seconds):
                output.mux(packet)
    except (av.FFmpegError, ValueError, ArithmeticError, MemoryError) as error:
        return f"{codec}: {message_of(error)}"
    return None


def _pictures(container: InputContainer, output: OutputContainer, on_packet: Callable[[], None]) -> Packets:
    target = output.add_stream_from_template(container.streams.video[0])

    def packets() -> Packets:
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = target
                on_packet()
                yield packet

    return packets()


def _copied(container: InputContainer, stream: AudioStream, output: OutputContainer, span: Span) -> Packets:
    target = output.add_stream_from_template(stream)

    def packets() -> Packets:
        last: int | None = None
        for packet in _within(container.demux(stream), span):
            # a muxer requires increasing times
            if packet.dts is not None and (last is None or packet.dts > last):
                last = packet.dts
                packet.stream = target
                yield packet

    return packets()


def _coded_again(container: InputContainer, stream: AudioStream, output: OutputContainer, span: Span) -> Packets:
    target = output.add_stream("aac", rate=stream.codec_context.sample_rate)
    target.codec_context.layout = "mono" if stream.codec_context.channels == 1 else "stereo"

    def packets() -> Packets:
        for frame in _within(container.decode(stream), span):
            yield from target.encode(frame)
        yield from target.encode()

    return packets()


def _within(timed: Iterator[Timed], span: Span) -> Iterator[Timed]:
    """The packets or frames within the span, with increasing times relative to its start."""
    clock, last = Clock(span.shifts), span.begin
    for each in timed:
        time = time_of(each)
        if time is None or each.pts is None:
            continue
        shift = clock.shift(time)
        if time + shift >= span.end:
            return
        # also where the audio of one recording reaches into the next one
        if time + shift >= last:
            last = time + shift
            _move(each, _ticks(each, shift - span.begin))
            yield each


def _move(timed: "AudioFrame | Packet[Any]", ticks: int) -> None:
    timed.pts = (timed.pts or 0) + ticks
    if timed.dts is not None and isinstance(timed, Packet):
        timed.dts += ticks


def _ticks(timed: "Frame | Packet[Any]", seconds: float) -> int:
    return round(seconds / timed.time_base) if timed.time_base else 0


def _seconds(packet: "Packet[Any]") -> float:
    return float((packet.dts or 0) * (packet.time_base or 0))


def _codec_of(stream: AudioStream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else "unknown"
