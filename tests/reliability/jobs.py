"""The jobs of a storm: what each asks for, and what shall become of it. A seed gives the same jobs every time."""

import hashlib
import json
import random
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from service.inference.fake.detector import PALETTE
from tests.support.annotated import write_video
from tests.support.clips import cut
from tests.support.scenes import Rectangle

FORMATS = ("coco-rle", "ytvis")
OVERLAY = "overlay-mp4"


class Fate(Enum):
    """What a client does to its job."""

    KEEP = "keep"
    CANCEL = "cancel once it is accepted"
    CANCEL_RUNNING = "cancel once it runs"
    DELETE = "delete its video once it runs"


@dataclass(frozen=True)
class Ask:
    """One job.

    Attributes:
        number: in the storm.
        clip: its video.
        parameters: of the job.
        form: the video comes with the job in one form; otherwise it is uploaded before.
        times: how often the same request is sent under one idempotency key; 0: once, without a key.
        fate: what comes after it is accepted.
    """

    number: int
    clip: Path
    parameters: tuple[tuple[str, Any], ...]
    form: bool
    times: int
    fate: Fate

    @property
    def content(self) -> str:
        """Equal for jobs that have equal results."""
        return json.dumps([self.clip.name.partition("-")[0], self.parameters])

    @property
    def formats(self) -> tuple[str, ...]:
        """What is downloaded of its result."""
        return (*FORMATS, OVERLAY) if dict(self.parameters)["overlay"] else FORMATS

    @property
    def video_id(self) -> str:
        return hashlib.sha256(self.clip.read_bytes()).hexdigest()

    @property
    def key(self) -> str | None:
        return f"storm-{self.number}" if self.times else None


@dataclass(frozen=True)
class Plan:
    """All that a storm needs to know of its jobs.

    Attributes:
        clips: videos that many jobs share.
        choices: parameters that a job may have.
        seed: of everything that is drawn.
    """

    clips: tuple[Path, ...]
    choices: tuple[dict[str, Any], ...]
    seed: int

    def ask(self, number: int) -> Ask:
        """The job of a number; the fates take turns, so that every storm has all of them."""
        draw = random.Random(f"{self.seed}-{number}")
        fate = {2: Fate.CANCEL, 5: Fate.CANCEL_RUNNING, 8: Fate.DELETE}.get(number % 9, Fate.KEEP)
        clip = draw.choice(self.clips)
        if fate is Fate.DELETE:
            clip = _own(clip, number)
        parameters = tuple(sorted(draw.choice(self.choices).items()))
        return Ask(number, clip, parameters, number % 3 == 0, draw.choice((0, 1, 2)), fate)

    def contents(self) -> list[Ask]:
        """One undisturbed job for each result that jobs can have."""
        return [
            Ask(number, clip, tuple(sorted(parameters.items())), form=False, times=0, fate=Fate.KEEP)
            for number, (clip, parameters) in enumerate((c, p) for c in self.clips for p in self.choices)
        ]


def plan_with_fake_networks(folder: Path, seed: int, *, clips: int = 3, frames: int = 10) -> Plan:
    """Rectangles that the fake networks find."""
    made = []
    for number in range(clips):
        scene = [
            Rectangle(PALETTE[0], 20 + 8 * number, 20, 40, 60, step_xy=(2, 1)),
            Rectangle(PALETTE[1], 150, 20 + 9 * number, 40, 60, step_xy=(-2, 0)),
        ]
        path = folder / f"clip{number}.mp4"
        write_video(path, scene, frames)
        made.append(path)
    choices = ({"overlay": False}, {"overlay": True}, {"overlay": False, "th_seq": 0.9})
    return Plan(tuple(made), choices, seed)


def plan_with_models(folder: Path, seed: int) -> Plan:
    """A short cut of the demo clip, for the bundled models."""
    folder.mkdir(parents=True, exist_ok=True)
    cheap = {"strategy": "greedy", "max_seeds": 2, "th_det": 0.3}
    choices = ({"overlay": True, **cheap}, {"overlay": False, "th_seq": 0.9, **cheap})
    return Plan((cut(folder / "clip0.mp4", 6),), choices, seed)


def _own(clip: Path, number: int) -> Path:
    """The same video as another file: what follows the last box of an MP4 file is not read."""
    path = clip.with_name(f"{clip.stem}-{number}.mp4")
    path.write_bytes(clip.read_bytes() + b"\0\0\0\x0cfree%04d" % number)
    return path
