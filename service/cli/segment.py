"""`dualtrack segment VIDEO`: segment a video without a service."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dualtrack.engine.engine import Engine
from dualtrack.errors import OverlayFailed
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.progress_bar import progress_bar
from dualtrack.result.result import Result, load
from service.cli.display import tubelet_table
from service.cli.out import OutOption, result_folder
from service.cli.parameters import (
    CategoriesOption,
    DetectionsOption,
    ParameterFileOption,
    ParameterOption,
    parse_parameters,
    warned_already,
)


def segment(  # noqa: PLR0913, PLR0917 (the options of a command)
    video: Annotated[Path, typer.Argument(help="Video file.")],
    out: OutOption = None,
    param: ParameterOption = None,
    params: ParameterFileOption = None,
    detections: DetectionsOption = None,
    categories: CategoriesOption = None,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML file describing an ONNX detector to use instead of the bundled one."),
    ] = None,
    overlay: Annotated[bool, typer.Option(help="Also write overlay.mp4, the video with the objects drawn.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of a table.")] = False,
) -> None:
    """Segment a video on this machine, without a service; write tubelets.json, ytvis.json and overlay.mp4."""
    folder = result_folder(video, out)
    parameters = parse_parameters(param, params, categories=categories, overlay=overlay)
    values: dict[str, Any] = parameters.model_dump(mode="json", exclude_none=True)
    try:
        with Engine(detector=detector) as engine, progress_bar() as bar, warned_already():
            result = engine.segment(video, out=folder, detections=detections, on_progress=bar.show, **values)
    except KeyboardInterrupt:
        typer.echo("Interrupted. Finished work is cached: run the same command again to resume.", err=True)
        raise
    except OverlayFailed:
        _show(load(folder / FILES[ResultFormat.COCO_RLE].name), folder, as_json=as_json)
        raise
    _show(result, folder, as_json=as_json)


def _show(result: Result, folder: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result.document()))
    else:
        Console().print(tubelet_table(result))
        typer.echo(f"Results written to {folder}/")
