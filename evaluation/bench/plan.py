"""Sizes of what the rows run: the full benchmark, or one of less than five minutes."""

from dataclasses import dataclass, field

from evaluation.bench.clips import ClipSpec

STILL_FRAMES = 2
"""Frames per second of the long videos: memory depends on the number of frames, not on the rate."""


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """Sizes of the rows.

    Attributes:
        repeats: of every measurement of which the median is taken.
        clip: the clip of rows 1-4 and 8, 384x640 for the networks.
        literal_frames: length of the clip of row 1.
        short_frames: length of the short clip of row 5; the long one is ten times as long.
        seconds: lengths of the videos of row 6, 360p.
        jobs_frames: length of the clips of rows 9 and 10.
        store_frames: length of the 1080p clip of row 12.
        price_repeats: runs of each batch size of row 4.
    """

    repeats: int = 3
    clip: ClipSpec = field(default_factory=ClipSpec)
    literal_frames: int = 36
    short_frames: int = 36
    seconds: tuple[int, ...] = (30, 600, 3600)
    jobs_frames: int = 24
    store_frames: int = 120
    price_repeats: int = 5

    def still(self, seconds: int) -> ClipSpec:
        """A 360p video of `seconds` seconds."""
        return ClipSpec(frames=seconds * STILL_FRAMES, rate=STILL_FRAMES)


FULL = BenchPlan()
QUICK = BenchPlan(
    repeats=1,
    clip=ClipSpec(frames=12),
    literal_frames=12,
    short_frames=6,
    seconds=(10, 40),
    jobs_frames=6,
    store_frames=40,
    price_repeats=2,
)
