"""The result of a job as documents: dualtrack's own JSON and YouTube-VIS's."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.pipeline.frame_rate import step_of
from service.pipeline.run import Run
from service.structures.categories import Category
from service.structures.tubelets import LabelledTubelet

Document = dict[str, Any]


def tubelets_document(labelled: Sequence[LabelledTubelet], run: Run, parameters: Document) -> Document:
    """Give the result in dualtrack's own form.

    Masks are COCO RLE, boxes x1 y1 x2 y2 in pixels of the frame after rotation.

    `segmentations`, `boxes` and `track_scores` have one entry per frame of the video, null where the object is
    not visible; `timestamps` are the frames' times in seconds; `detector` names what took the bundled one's place.
    `tracked_every`: of so many frames one was tracked, the others are filled in (parameter `track_fps`).
    """
    clip, manifest, given = run.clip, run.networks.manifest, run.given
    return {
        "video": {
            **clip.info.to_json(),
            "timestamps": [round(float(t), 6) for t in clip.timestamps],
            "damage": clip.damage,
        },
        "model": {"preset": manifest.preset, "version": manifest.version},
        "detector": None if given is None else given.vector.source,
        "parameters": parameters,
        "tracked_every": step_of(run),
        "tubelets": [_tubelet(number, item, run.categories) for number, item in enumerate(labelled, start=1)],
    }


def ytvis_records(
    labelled: Sequence[LabelledTubelet], *, video_id: int = 1, category_ids: Sequence[int] | None = None
) -> list[Document]:
    """YouTube-VIS `results.json`: one record per tubelet.

    Args:
        labelled: the tubelets.
        video_id: their video.
        category_ids: category id by class index; by default the class index + 1.
    """
    return [
        {
            "video_id": video_id,
            "category_id": category_ids[item.label] if category_ids is not None else item.label + 1,
            "score": item.score,
            "segmentations": [None if mask is None else mask.json() for mask in item.tubelet.masks],
        }
        for item in labelled
    ]


def _tubelet(number: int, item: LabelledTubelet, categories: Sequence[Category]) -> Document:
    tubelet, category = item.tubelet, categories[item.label]
    frames = tubelet.frames
    visible = [mask is not None for mask in tubelet.masks]
    return {
        "id": number,
        "category_id": category.id,
        "category": category.name,
        "score": round(item.score, 6),
        "first_frame": frames[0] if frames else None,
        "last_frame": frames[-1] if frames else None,
        "frames": len(frames),
        "seed_frame": tubelet.seed.frame,
        "segmentations": [None if mask is None else mask.json() for mask in tubelet.masks],
        "boxes": [
            [round(float(x), 2) for x in box] if there else None
            for box, there in zip(tubelet.boxes, visible, strict=True)
        ],
        "track_scores": [
            round(float(np.clip(score, 0, 1)), 4) if there else None
            for score, there in zip(tubelet.scores, visible, strict=True)
        ],
    }
