"""Conversion to YouTube-VIS `results.json`: one record per tubelet."""

import json
from collections.abc import Iterable, Iterator

from dualtrack.result.document import list_length, padded, segmentation
from dualtrack.result.model import Document, Head, Tubelet


def records(head: Head, tubelets: Iterable[Tubelet], *, video_id: int = 1) -> Iterator[Document]:
    """Yield one record per tubelet, in order.

    `segmentations` has one entry per frame of the video, null where the object is not visible. In results with very
    many tubelets it covers only the tubelet's span, from frame `offset` on.

    Args:
        head: head of the result.
        tubelets: tubelets of the result.
        video_id: `video_id` of every record.
    """
    length = list_length(head)
    for tubelet in tubelets:
        offset = {"offset": tubelet.head.first_frame} if length is None else {}
        masks = [segmentation(entry, head.video) for entry in tubelet.entries]
        yield {
            "video_id": video_id,
            "category_id": tubelet.head.category_id,
            "score": tubelet.head.score,
            **offset,
            "segmentations": padded(masks, tubelet.head, length),
        }


def pieces(head: Head, tubelets: Iterable[Tubelet]) -> Iterator[str]:
    """Yield the text of the file record by record."""
    yield "["
    for number, record in enumerate(records(head, tubelets)):
        yield (", " if number else "") + json.dumps(record)
    yield "]"
