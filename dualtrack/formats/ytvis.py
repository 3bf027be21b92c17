"""YouTube-VIS `results.json`: one record per tubelet."""

import json
from collections.abc import Iterable, Iterator

from dualtrack.result.document import list_length, padded, segmentation
from dualtrack.result.model import Document, Head, Tubelet


def records(head: Head, tubelets: Iterable[Tubelet], *, video_id: int = 1) -> Iterator[Document]:
    """One record per tubelet, in their order.

    `segmentations` has one entry per frame of the video, null where the object is not visible; of very many tubelets
    only those of the tubelet's span, from `offset` on.

    Args:
        head: of the result.
        tubelets: of the result.
        video_id: of the records.
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
    """The file's text, one record after the other."""
    yield "["
    for number, record in enumerate(records(head, tubelets)):
        yield (", " if number else "") + json.dumps(record)
    yield "]"
