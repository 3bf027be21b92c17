"""The records of a detections file as an engine reads them: bytes of a size that does not depend on the frames'.

No mask is drawn before one is among the few candidates of a frame that count: run lengths stay run lengths, polygons
stay points, boxes stay boxes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualtrack.result.model import Category
from service.inference.repository.manifest import ModelClass
from service.pipeline.categories.class_vector import ClassVector
from service.pipeline.store.codec import Arrays, pack_arrays, readable, unpack_arrays
from service.structures.arrays import F32, I64, Bool
from service.structures.detections import Detections
from service.structures.masks import Rle, bounding_box, from_coco

POLYGONS = b" "
"""What polygons begin with; no run length of COCO's is written so."""
WHOLE_VECTOR = -1
"""In place of a column: the record has all scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """The N records of a video with T frames, frame by frame, in the file's order within each.

    Attributes:
        size_hw: of a frame.
        ends: (T,) int64, where each frame's records end.
        boxes: (N, 4) float32, x1 y1 x2 y2 inside the frame; NaN: that of the mask.
        columns: (N,) int32, the class vector's one entry that is not 0, or `WHOLE_VECTOR`.
        scores: (N,) float64, that entry; of a whole vector its row in `vectors`.
        vectors: (M, K) float32, the class vectors that were given whole.
        masks: all masks joined: run lengths as COCO compresses them, or polygons as JSON.
        mask_ends: (N,) int64, end of each mask; for a record without a mask, the end of the previous one.
    """

    size_hw: tuple[int, int]
    ends: I64
    boxes: F32
    columns: NDArray[np.int32]
    scores: NDArray[np.float64]
    vectors: F32
    masks: bytes
    mask_ends: I64

    def __len__(self) -> int:
        return len(self.ends)

    def of_frame(self, frame: int) -> range:
        """The records of a frame; none of one that the file's reader did not know of."""
        if frame >= len(self.ends):
            return range(0)
        return range(int(self.ends[frame - 1]) if frame else 0, int(self.ends[frame]))

    def probs(self, records: range) -> F32:
        """Class vectors (n, K) of these records."""
        rows = slice(records.start, records.stop)
        columns, scores = self.columns[rows], self.scores[rows]
        probs = np.zeros((len(records), self.vectors.shape[1]), np.float32)
        whole = columns == WHOLE_VECTOR
        probs[whole] = self.vectors[scores[whole].astype(np.int64)]
        given = np.flatnonzero(~whole)
        probs[given, columns[given]] = scores[given]
        return probs

    def whole(self, records: range) -> Bool:
        """Which of these records (n,) have a class vector, not just a category and a score."""
        whole: Bool = self.columns[records.start : records.stop] == WHOLE_VECTOR
        return whole

    def mask(self, record: int) -> Rle | None:
        """A record's mask, drawn now if it was given by polygons; None without one."""
        start = int(self.mask_ends[record - 1]) if record else 0
        data = self.masks[start : int(self.mask_ends[record])]
        if not data:
            return None
        return from_coco(json.loads(data), self.size_hw) if data.startswith(POLYGONS) else Rle(self.size_hw, data)

    def box(self, record: int, mask: Rle | None) -> F32:
        """A record's box (4,); that of its mask if it was given none."""
        box: F32 = self.boxes[record]
        return bounding_box(mask) if mask is not None and np.isnan(box[0]) else box

    def pack(self, vector: ClassVector) -> bytes:
        """As bytes, with what the class vectors mean."""
        return pack_arrays(
            {
                "vector": np.frombuffer(json.dumps(vector_to_json(vector)).encode(), np.uint8),
                "size": np.array(self.size_hw, np.int64),
                "ends": self.ends,
                "boxes": self.boxes,
                "columns": self.columns,
                "scores": self.scores,
                "vectors": self.vectors,
                "masks": np.frombuffer(self.masks, np.uint8),
                "mask_ends": self.mask_ends,
            }
        )


@readable("stored records")
def unpack_records(data: bytes) -> tuple[Records, ClassVector]:
    """The inverse of `Records.pack`.

    Raises:
        ValueError: the bytes are something else, or damaged.
    """
    arrays: Arrays = unpack_arrays(data)
    height, width = (int(side) for side in arrays["size"])
    names = ("ends", "boxes", "columns", "scores", "vectors")
    rest = {name: arrays[name] for name in names}
    records = Records((height, width), masks=arrays["masks"].tobytes(), mask_ends=arrays["mask_ends"], **rest)
    return records, vector_from_json(json.loads(arrays["vector"].tobytes()))


def vector_to_json(vector: ClassVector) -> dict[str, Any]:
    """What class vectors mean, as values that JSON has."""
    return {
        "source": vector.source,
        "classes": [[item.name, item.vocabulary] for item in vector.classes],
        "categories": [[item.id, item.name] for item in vector.categories],
    }


def vector_from_json(document: dict[str, Any]) -> ClassVector:
    """The inverse of `vector_to_json`."""
    classes = tuple(ModelClass(name, vocabulary) for name, vocabulary in document["classes"])
    return ClassVector(
        document["source"], classes, tuple(Category(number, name) for number, name in document["categories"])
    )


def records_of(frames: Sequence[Detections], size_hw: tuple[int, int], classes: int) -> Records:
    """Records of candidates that have masks and whole class vectors already."""
    lengths = [len(mask.counts) for frame in frames for mask in frame.masks]
    return Records(
        size_hw,
        ends=np.cumsum([len(frame) for frame in frames], dtype=np.int64),
        boxes=np.concatenate([np.zeros((0, 4), np.float32), *(frame.boxes for frame in frames)]),
        columns=np.full(len(lengths), WHOLE_VECTOR, np.int32),
        scores=np.arange(len(lengths), dtype=np.float64),
        vectors=np.concatenate([np.zeros((0, classes), np.float32), *(frame.probs for frame in frames)]),
        masks=b"".join(mask.counts for frame in frames for mask in frame.masks),
        mask_ends=np.cumsum(lengths, dtype=np.int64),
    )
