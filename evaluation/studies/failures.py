"""Image strips of failures for the model cards: `python -m evaluation.studies.failures detections | tracks …`.

A panel is one frame with its detections, or with the track of one instance and its annotation.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast, get_args

import numpy as np
import typer

from dualtrack.errors import InvalidParameter
from dualtrack.outputs import writable_file
from evaluation.data.dataset import AnnotatedVideo, Dataset, load_dataset
from evaluation.data.remembered import remember
from evaluation.metrics.davis import region_similarity
from evaluation.output.pictures import read_frames, write_strip
from evaluation.runs.given import Given, Truth, follow, truths_of
from evaluation.runs.session import open_context, open_run
from service.media.painter import Shape, paint
from service.pipeline.context import PipelineContext
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.run import detect_all
from service.settings import Settings
from service.structures.arrays import U8
from service.structures.boxes import iou_matrix
from service.structures.detections import Detections
from service.structures.masks import bounding_box, decode
from service.structures.tubelets import Tubelet

PANEL = re.compile(r"(?P<subject>.+?):(?P<frame>\d+)(?::(?P<crop>\d+,\d+,\d+,\d+))?")
ANSWER, TRUTH = 0, 1
"""Colors of the painter: red and green."""
app = typer.Typer(help=__doc__, add_completion=False)
Out = Annotated[Path, typer.Option(help="The JPEG to write.", callback=writable_file)]


@dataclass(frozen=True)
class Panel:
    """One image of a strip.

    Attributes:
        subject: a video file, or the id of an annotation.
        frame: index in the video file.
        crop: x, y, width, height in pixels of the frame; None is the whole frame.
    """

    subject: str
    frame: int
    crop: tuple[int, int, int, int] | None = None

    def cut(self, image: U8) -> U8:
        """Crop a painted frame (H, W, 3).

        Raises:
            InvalidParameter: the crop lies outside the frame.
        """
        if self.crop is None:
            return image
        x, y, width, height = self.crop
        shown = image[y : y + height, x : x + width]
        if not shown.size:
            raise InvalidParameter(f"panel {self.subject}:{self.frame}: expected a crop inside {image.shape[1::-1]}")
        return shown


def parse_panel(text: str) -> Panel:
    """`SUBJECT:FRAME` or `SUBJECT:FRAME:X,Y,WIDTH,HEIGHT`."""
    found = PANEL.fullmatch(text)
    if found is None:
        raise InvalidParameter(f"panel: expected SUBJECT:FRAME or SUBJECT:FRAME:X,Y,WIDTH,HEIGHT, got {text!r}")
    crop = None
    if found["crop"]:
        x, y, width, height = (int(part) for part in found["crop"].split(","))
        crop = x, y, width, height
    return Panel(found["subject"], int(found["frame"]), crop)


@app.command()
def detections(
    panel: Annotated[list[str], typer.Argument(help="VIDEO:FRAME or VIDEO:FRAME:X,Y,WIDTH,HEIGHT.")],
    out: Out,
    min_score: Annotated[float, typer.Option(help="Minimum score of the detections that are drawn.")] = 0.2,
) -> None:
    """Draw the detections before calibration, with their best class and its score."""
    write_strip(out, asyncio.run(_detections([parse_panel(text) for text in panel], min_score)))


@app.command()
def tracks(
    path: Annotated[Path, typer.Argument(help="Folder with instances.json, or a JSON file of masks.")],
    panel: Annotated[list[str], typer.Argument(help="ANNOTATION:FRAME or ANNOTATION:FRAME:X,Y,WIDTH,HEIGHT.")],
    out: Out,
    given: Annotated[
        str, typer.Option(help="first-box: boxes of the Siamese RPN; first-mask: masks of both trackers.")
    ] = "first-mask",
) -> None:
    """Draw one instance's track as computed by `evaluate --given` (red, with IoU), and its annotation (green)."""
    if given not in get_args(Given):
        raise InvalidParameter(f"given: expected one of {', '.join(get_args(Given))}, got {given!r}")
    panels = [parse_panel(text) for text in panel]
    write_strip(out, asyncio.run(_tracks(load_dataset(path), panels, cast("Given", given))))


async def _detections(panels: Sequence[Panel], min_score: float) -> list[U8]:
    async with open_context(Settings()) as context:
        return await detection_panels(panels, min_score, context)


async def _tracks(dataset: Dataset, panels: Sequence[Panel], given: Given) -> list[U8]:
    async with open_context(Settings()) as context:
        return await track_panels(dataset, panels, given, context)


async def detection_panels(panels: Sequence[Panel], min_score: float, context: PipelineContext) -> list[U8]:
    """Painted frames, in the order of the panels; the detector runs once per video."""
    parameters = JobParameters(th_det=min_score)
    painted: dict[Panel, U8] = {}
    for file in dict.fromkeys(panel.subject for panel in panels):
        path = Path(file)
        own = [panel for panel in panels if panel.subject == file]
        frames = tuple(sorted({panel.frame for panel in own}))
        video = AnnotatedVideo(0, path.stem, path, frames, exhaustive=False, record={})
        async with open_run(video, context, parameters) as run:
            found = await detect_all(run, remember(run).features)
            names = [category.name for category in run.categories]
        images = read_frames(video, range(len(frames)))
        for panel in own:
            image = images[frames.index(panel.frame)]
            painted[panel] = panel.cut(paint(image, _candidates(found[panel.frame], names)))
    return [painted[panel] for panel in panels]


async def track_panels(dataset: Dataset, panels: Sequence[Panel], given: Given, context: PipelineContext) -> list[U8]:
    """Painted frames, in the order of the panels; every instance is tracked once.

    Raises:
        InvalidParameter: an annotation or a frame of its video does not exist.
    """
    parameters = JobParameters()
    painted: dict[Panel, U8] = {}
    for video in dataset.videos:
        truths = {str(truth.id): truth for truth in truths_of(video, dataset.annotations_of(video))}
        own = [panel for panel in panels if panel.subject in truths]
        wanted = list(dict.fromkeys(panel.subject for panel in own))
        if not own:
            continue
        positions = {panel: _position(panel, video) for panel in own}
        async with open_run(video, context, parameters) as run:
            boxes, dual = await follow(run, [truths[name] for name in wanted], given, parameters)
        tracks = dict(zip(wanted, boxes if given == "first-box" else dual, strict=True))
        images = read_frames(video, sorted(set(positions.values())))
        for panel, position in positions.items():
            shapes = _track(truths[panel.subject], tracks[panel.subject], position, given)
            painted[panel] = panel.cut(paint(images[position], shapes))
    if unknown := [panel.subject for panel in panels if panel not in painted]:
        raise InvalidParameter(f"panel: expected ids of annotations with a visible instance, got {', '.join(unknown)}")
    return [painted[panel] for panel in panels]


def _position(panel: Panel, video: AnnotatedVideo) -> int:
    """Index of the panel's frame among the annotated ones."""
    if panel.frame not in video.frames:
        raise InvalidParameter(
            f"panel {panel.subject}:{panel.frame}: expected an annotated frame of {video.name}, "
            f"{video.frames[0]} to {video.frames[-1]}"
        )
    return video.frames.index(panel.frame)


def _candidates(found: Detections, names: Sequence[str]) -> list[Shape]:
    rows = zip(found.boxes, found.masks, found.labels, found.scores, strict=True)
    return [
        Shape(number, decode(mask), box, f"{names[label]} {score:.2f}")
        for number, (box, mask, label, score) in enumerate(rows)
    ]


def _track(truth: Truth, answer: Tubelet, position: int, given: Given) -> list[Shape]:
    """The annotation and the track in one frame, as far as they exist there."""
    wanted, found = truth.masks[position], answer.masks[truth.frames[position]]
    shapes = []
    if wanted is not None:
        nothing = np.zeros(wanted.size_hw, np.bool_)
        shapes.append(Shape(TRUTH, nothing, bounding_box(wanted), "annotated"))
    if found is not None:
        box = answer.boxes[truth.frames[position]]
        mask = decode(found)
        if wanted is None:
            label = "track"
        elif given == "first-box":
            label = f"track, box IoU {iou_matrix(bounding_box(wanted)[None], box[None])[0, 0]:.2f}"
        else:
            label = f"track, mask IoU {region_similarity(decode(wanted), mask):.2f}"
        shapes.append(Shape(ANSWER, np.zeros_like(mask) if given == "first-box" else mask, box, label))
    return shapes


if __name__ == "__main__":
    app()
