"""`dualtrack evaluate`: score a method or the trackers on annotated videos, or the detector on annotated images."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Console

from dualtrack.errors import InvalidParameter
from dualtrack.outputs import writable_file, writable_folder
from evaluation.data.dataset import Document
from evaluation.metrics.ytvis import per_class
from evaluation.output.report import write_report
from evaluation.output.tables import figure_table, stratum_table
from evaluation.runs.detector import detector_metrics
from evaluation.runs.given import Given
from evaluation.runs.methods import Method
from evaluation.runs.parameters import parse_evaluation
from evaluation.runs.session import open_context
from evaluation.runs.videos import Request, console_notifier, evaluate_videos
from service.cli.parameters import ParameterFileOption, ParameterOption
from service.settings import Settings


def evaluate(  # noqa: PLR0913, PLR0917 (the options of a command)
    path: Annotated[
        Path,
        typer.Argument(
            help="Folder with instances.json and videos/, a COCO JSON file next to images/, or a JSON file of masks."
        ),
    ],
    method: Annotated[str, typer.Option(help="ipdt, pixel or deepsort.")] = "ipdt",
    given: Annotated[
        str | None,
        typer.Option(
            help="first-box or first-mask: evaluate the trackers without the detector, starting from each instance's "
            "first annotated frame. mean_box_iou, success50: boxes of the Siamese RPN alone (first-box) or of the "
            "dual tracker (first-mask); dual_…, J, F: the dual tracker started from the first mask. Tracks are never "
            "lost unless -p lost_enter=… is given; a missing mask or box counts as 0. crossings, switches, "
            "switch_rate: pairs of instances that meet and separate, and how often a track then follows the other one."
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD", help="Also compute metrics per value of this text field of the videos or images."
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", help="Also write the metrics, overall and per clip, to this file.", callback=writable_file
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Evaluate only the first N videos or images.")] = None,
    all_videos: Annotated[
        bool, typer.Option("--all", help="Include videos that are not exhaustively annotated.")
    ] = False,
    results_file: Annotated[
        Path | None,
        typer.Option("--results", help="Write results in YouTube-VIS format to this file.", callback=writable_file),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also write an HTML report: metrics, strata, error types (also in --json), worst clips.",
            callback=writable_folder,
        ),
    ] = None,
    param: ParameterOption = None,
    params: ParameterFileOption = None,
) -> None:
    """Score a method on annotated videos (trackeval), or the detector on annotated images (COCO metric).

    A tubelet counts for every category that it may belong to, as --results writes it; in AP_single and AP50_single it
    counts for its own category only, and in AP_agnostic for any. score_ece is the calibration error of tubelet scores;
    found_above_… and false_above_…: the share of annotated objects with a tubelet above that score (tubelet IoU from
    0.5, any category), and the number of other tubelets above it.

    tubelet_switches counts how often a finished tubelet changes the annotated object it covers (mask IoU from 0.5),
    switched_tubelets the tubelets with such a change; switched_crossings, of the crossings of two annotated objects,
    those after which the best tubelet of either covers another object; unanswered_crossings those with an object
    that has no tubelet before, or whose tubelet covers nothing afterwards. marked_switches are those with an uncertain
    frame at most three annotated frames away, uncertain_share the share of all tubelets' frames that are uncertain.

    Every frame of a video file is tracked, and a video is one chunk: track_fps, chunk_frames, chunk_overlap, shots and
    stitch_iou have no effect. To score what a service computes from a fast video, evaluate a file at about 12 frames
    per second.
    """
    request = Request(
        path=path,
        method=cast("Method", _one_of("method", method, get_args(Method))),
        given=cast("Given | None", given and _one_of("given", given, get_args(Given))),
        limit=limit,
        all_videos=all_videos,
        by=by,
        parameters=parse_evaluation(param, params),
    )
    if (report or results_file) and (given or path.is_file()):
        raise InvalidParameter(
            "report, results: expected a method on a folder of videos; other evaluations produce no tubelets"
        )
    what = given or ("" if path.is_file() else method)
    title = f"{path}" + (f", {what}" if what else "")
    document = asyncio.run(_evaluate(request, results_file, report, title))
    console = Console()
    console.print(figure_table(document, title))
    if document.get("strata"):
        console.print(stratum_table(document["strata"], str(by)))
    if json_file is not None:
        json_file.write_text(json.dumps(document, indent=2) + "\n")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InvalidParameter(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")
    return value


async def _evaluate(request: Request, results_file: Path | None, report: Path | None, title: str) -> Document:
    async with open_context(Settings()) as context:
        if request.path.is_file() and request.given is None:
            if context.detector is not None:
                raise InvalidParameter(
                    "detector: images are evaluated with the bundled detector only; unset DUALTRACK_DETECTOR"
                )
            return await detector_metrics(request.path, context.networks, request.limit, request.by)
        evaluation = await evaluate_videos(request, context, console_notifier())
    if results_file is not None:
        results_file.write_text(json.dumps(per_class(evaluation.found)))
    if report is None:
        return evaluation.document()
    return {**evaluation.document(), "errors": asdict(write_report(report, evaluation, title, request.by))}
