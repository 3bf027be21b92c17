"""Converts the output of `process_video` to a result of schema 1: its head, and its entries in blocks."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dualtrack.formats import ytvis
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.result import document as documents
from dualtrack.result.file import ResultFile, write_result
from dualtrack.result.model import Category, Chunk, ClassScore, Entry, Head, TubeletHead, Video
from dualtrack.whole_file import written_whole
from service.pipeline.run import ChunkNote, Run, VideoResult, step_of
from service.structures.masks import bounding_box
from service.structures.tubelets import LabeledTubelet, Tubelet
from service.tracking.confidence import uncertain_spans

BOX_DIGITS, SCORE_DIGITS, TIME_DIGITS = 2, 4, 6


def write_results(folder: Path, result: VideoResult, run: Run, parameters: Mapping[str, Any]) -> ResultFile:
    """Write a result to `folder`, which must exist: the result itself, and YouTube-VIS results as `ytvis.json`.

    Args:
        folder: for the result's files.
        result: output of `process_video`.
        run: the run over the whole video.
        parameters: effective value of every parameter.

    Raises:
        OSError: the disk is full or refuses; nothing of the result stays.
    """
    path = folder / FILES[ResultFormat.COCO_RLE].stored
    tubelets = [item.tubelet for item in result.tubelets]
    # both files or none: a disk that fills up in between leaves neither
    with written_whole(path) as part, written_whole(folder / FILES[ResultFormat.YTVIS].stored) as ytvis_part:
        write_result(part, head_of(result, run, parameters), lambda place, frames: entries_of(tubelets[place], frames))
        written = ResultFile.open(part)
        with ytvis_part.open("w") as file:
            file.writelines(ytvis.pieces(written.head, written.tubelets()))
    return ResultFile.open(path)


def head_of(result: VideoResult, run: Run, parameters: Mapping[str, Any]) -> Head:
    """A result without the frames of its tubelets."""
    manifest, given = run.networks.manifest, run.detector_override
    return Head(
        video=video_of(run),
        models={"architecture": manifest.architecture, "release": manifest.release},
        detector=None if given is None else given.vector.source,
        parameters=parameters,
        categories=run.categories,
        tracked_every=step_of(run),
        chunks=tuple(_chunk(note) for note in result.chunks),
        tubelets=tuple(tubelet_head(item, run.categories) for item in result.tubelets),
        left_out=result.left_out,
    )


def video_of(run: Run) -> Video:
    """The findings of probe and decoder."""
    times = tuple(round(float(t), TIME_DIGITS) for t in run.clip.timestamps)
    return Video(**run.clip.info.to_json(), timestamps=times, damage=run.clip.damage)


def tubelet_head(item: LabeledTubelet, categories: tuple[Category, ...]) -> TubeletHead:
    """A tubelet without its frames; it must have a mask somewhere."""
    frames = item.tubelet.frames
    # rounded once, here: the same number in every format and every reader
    classes = tuple(
        ClassScore(categories[label].id, categories[label].name, round(score, documents.SCORE_DIGITS))
        for label, score in item.classes
    )
    return TubeletHead(
        id=item.id,
        category_id=classes[0].category_id,
        category=classes[0].category,
        score=classes[0].score,
        first_frame=frames[0],
        last_frame=frames[-1],
        frames=len(frames),
        seed_frame=item.tubelet.seed.frame,
        classes=classes,
        uncertain=uncertain_spans(item.tubelet),
    )


def entries_of(tubelet: Tubelet, frames: range) -> Iterator[Entry | None]:
    """The entries of a tubelet in these frames of the video."""
    for t in frames:
        place, mask = t - tubelet.start, tubelet.mask_at(t)
        if mask is None:
            yield None
            continue
        score = round(float(np.clip(tubelet.scores[place], 0, 1)), SCORE_DIGITS)
        confidence = round(float(tubelet.confidence[place]), SCORE_DIGITS)
        counts = mask.counts.decode("ascii")
        yield Entry(counts, _box(bounding_box(mask)), _box(tubelet.boxes[place]), score, confidence)


def _box(box: np.ndarray[Any, np.dtype[np.float32]]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(float(edge), BOX_DIGITS) for edge in box)
    return (x1, y1, x2, y2)


def _chunk(note: ChunkNote) -> Chunk:
    return Chunk(note.chunk.first, note.chunk.end - 1, note.seeds, note.capped)
