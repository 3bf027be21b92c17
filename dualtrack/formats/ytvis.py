"""Conversion to YouTube-VIS `results.json`: one record per tubelet and category that it may belong to."""

import json
from collections.abc import Iterable, Iterator

from dualtrack.result.document import list_length, padded, segmentation
from dualtrack.result.model import Document, Head, Tubelet


def records(
    head: Head, tubelets: Iterable[Tubelet], *, video_id: int = 1, single_class: bool = False
) -> Iterator[Document]:
    """Yield one record per category of each tubelet, in order, best category first; the masks are the same.

    The metric of YouTube-VIS averages over categories, so a tubelet counts for every category that it may belong to,
    as in the results of most published methods.

    `segmentations` has one entry per frame of the video, null where the object is not visible. In results with very
    many tubelets it covers only the tubelet's span, from frame `offset` on.

    Args:
        head: head of the result.
        tubelets: tubelets of the result.
        video_id: `video_id` of every record.
        single_class: yield one record per tubelet, with its own category.
    """
    length = list_length(head)
    for tubelet in tubelets:
        offset = {"offset": tubelet.head.first_frame} if length is None else {}
        masks = [segmentation(entry, head.video) for entry in tubelet.entries]
        segmentations = padded(masks, tubelet.head, length)
        for each in tubelet.classes[: 1 if single_class else None]:
            own = {"video_id": video_id, "category_id": each.category_id, "score": each.score}
            yield {**own, **offset, "segmentations": segmentations}


def pieces(head: Head, tubelets: Iterable[Tubelet], *, single_class: bool = False) -> Iterator[str]:
    """Yield the text of the file record by record; see `records`."""
    yield "["
    for number, record in enumerate(records(head, tubelets, single_class=single_class)):
        yield (", " if number else "") + json.dumps(record)
    yield "]"
