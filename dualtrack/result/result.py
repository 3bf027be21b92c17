"""`Result`: what a video came to, the same type from a file, an engine or a service."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from dualtrack.result.document import parse, pieces
from dualtrack.result.file import ResultFile
from dualtrack.result.model import Category, Chunk, Document, Head, Tubelet, Video
from dualtrack.whole_file import written_whole


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """The instance tubelets of a video, and what made them. Immutable; masks stay run lengths until requested.

    Attributes:
        head: everything but the frames of the tubelets.
        tubelets: one per object, best score first.

    Example:
        >>> result = dualtrack.load("tubelets.json")
        >>> best = result.tubelets[0]
        >>> best.mask(best.first_frame).shape == (result.video.height, result.video.width)
        True
    """

    head: Head
    tubelets: tuple[Tubelet, ...]

    @classmethod
    def from_document(cls, document: object) -> Self:
        """The result that a JSON document holds: schema 1 or the format before it.

        Raises:
            NewerFormat: a newer version of dualtrack wrote it.
            InvalidResult: it is not a result, or a member is missing or wrong.
        """
        return cls(*parse(document))

    def __repr__(self) -> str:
        """Size and number of objects: a document would fill the screen."""
        video = self.video
        return f"<Result: {len(self.tubelets)} tubelets, {video.frames} frames of {video.width}x{video.height}>"

    @property
    def video(self) -> Video:
        """The video: size in pixels, frames, times."""
        return self.head.video

    @property
    def models(self) -> Mapping[str, str]:
        """`architecture` and `release` of the networks."""
        return MappingProxyType(dict(self.head.models))

    @property
    def detector(self) -> str | None:
        """What took the bundled detector's place, or None."""
        return self.head.detector

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The effective value of every parameter."""
        return MappingProxyType(dict(self.head.parameters))

    @property
    def categories(self) -> tuple[Category, ...]:
        """The categories that an object could have."""
        return self.head.categories

    @property
    def tracked_every(self) -> int:
        """k, where every k-th frame was tracked and the others are filled in."""
        return self.head.tracked_every

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """The stretches of frames that were calibrated and tracked together."""
        return self.head.chunks

    def document(self) -> Document:
        """The JSON document, schema 1."""
        document: Document = json.loads("".join(pieces(self.head, self.tubelets)))
        return document

    def save(self, path: Path | str) -> None:
        """Write the JSON document; `dualtrack.load` reads it.

        Raises:
            OSError: the file can't be written; an earlier one of this name is left as it was, and no part of it stays.
        """
        with written_whole(Path(path)) as part, part.open("w") as file:
            file.writelines(pieces(self.head, self.tubelets))


def load(path: Path | str) -> Result:
    """Read a result: a JSON document (`tubelets.json`, `Result.save`) or the file in which a service stores it.

    Raises:
        FileNotFoundError: there is no such file.
        NewerFormat: a newer version of dualtrack wrote it.
        InvalidResult: it is not a result, or part of it is missing.

    Example:
        >>> result = dualtrack.load("tubelets.json")
    """
    stored = ResultFile.open(Path(path))
    return Result(stored.head, tuple(stored.tubelets()))
