"""`Result`: the result of segmenting a video, of the same type from a file, an engine or a service."""

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
    """The result of segmenting a video: its instance tubelets, and the models and parameters that produced them.

    Immutable. Masks stay run-length encoded until `Tubelet.mask` decodes them.

    Attributes:
        head: the result without the frames of its tubelets; the properties below return its values.
        tubelets: one per object, by descending score.

    Example:
        >>> import dualtrack
        >>> result = dualtrack.segment("clip.mp4")
        >>> best = result.tubelets[0]
        >>> best.mask(best.first_frame).shape == (result.video.height, result.video.width)
        True
        >>> result.save("result.json")
    """

    head: Head
    tubelets: tuple[Tubelet, ...]

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Convert a JSON document, as `document` returns it, to a result.

        Args:
            document: decoded JSON object, of schema 1 or of the format before it.

        Raises:
            NewerFormat: the document's schema is newer than this version of dualtrack.
            InvalidResult: the document is not a result, or a member is missing or wrong.

        Example:
            >>> same = dualtrack.Result.from_document(result.document())
            >>> same.tubelets == result.tubelets
            True
        """
        return cls(*parse(document))

    def __repr__(self) -> str:
        """Number of objects and size of the video; the whole result would fill the screen."""
        video = self.video
        return f"<Result: {len(self.tubelets)} tubelets, {video.frames} frames of {video.width}x{video.height}>"

    @property
    def video(self) -> Video:
        """The video: size in pixels, number of frames, presentation times and more."""
        return self.head.video

    @property
    def models(self) -> Mapping[str, str]:
        """The `architecture` of the networks, and the `release` of their weights."""
        return MappingProxyType(dict(self.head.models))

    @property
    def detector(self) -> str | None:
        """The detector or detections file that replaced the bundled detector; None if none did."""
        return self.head.detector

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The value that was used for every parameter, including defaults."""
        return MappingProxyType(dict(self.head.parameters))

    @property
    def categories(self) -> tuple[Category, ...]:
        """The categories that the objects are labeled with."""
        return self.head.categories

    @property
    def tracked_every(self) -> int:
        """Step k: every k-th frame was tracked, the frames between were filled in; 1 if every frame was tracked."""
        return self.head.tracked_every

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """The chunks of the video, ranges of frames that were calibrated and tracked as a unit, in order."""
        return self.head.chunks

    @property
    def left_out(self) -> int:
        """Number of tubelets that the result does not contain, because their score is below the parameter `min_score`.

        0 in results that were written before there was this parameter.
        """
        return self.head.left_out

    @property
    def max_seeds_reached(self) -> bool:
        """Whether the limit `max_seeds` was reached in any chunk, so objects may be missing."""
        return self.head.max_seeds_reached

    def document(self) -> Document:
        """Convert the result to a JSON document, schema 1.

        Returns:
            A dictionary that `json.dumps` accepts; masks are COCO RLE.

        Example:
            >>> sorted(result.document())[:4]
            ['categories', 'chunks', 'detector', 'left_out']
        """
        document: Document = json.loads("".join(pieces(self.head, self.tubelets)))
        return document

    def save(self, path: Path | str) -> None:
        """Write the result as a JSON document, which `dualtrack.load` reads.

        Args:
            path: path of the file; an existing file is replaced once the new one is complete.

        Raises:
            OSError: the file can't be written; an existing file is left unchanged, and no part of the new one remains.

        Example:
            >>> result.save("result.json")
        """
        with written_whole(Path(path)) as part, part.open("w") as file:
            file.writelines(pieces(self.head, self.tubelets))


def load(path: Path | str) -> Result:
    """Read a result from a file.

    Args:
        path: path of a JSON document, as `Result.save` and the command line write it (`tubelets.json`), or of a file
            in which a service stores a result (`result.jsonl`).

    Returns:
        The result, with all of its tubelets.

    Raises:
        FileNotFoundError: the file does not exist.
        NewerFormat: the file's format is newer than this version of dualtrack.
        InvalidResult: the file is not a result, or is incomplete.

    Example:
        >>> import dualtrack
        >>> dualtrack.segment("clip.mp4").save("result.json")
        >>> result = dualtrack.load("result.json")
    """
    stored = ResultFile.open(Path(path))
    return Result(stored.head, tuple(stored.tubelets()))
