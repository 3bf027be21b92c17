"""`dualtrack segment VIDEO`: the whole method without a server."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console

from dualtrack.errors import InvalidVideo
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.result.file import ResultFile
from service.cli.display import StageBar, stage_bar, tubelet_table
from service.cli.parameters import (
    CategoriesOption,
    DetectionsOption,
    ParameterFileOption,
    ParameterOption,
    parse_parameters,
)
from service.pipeline.context import open_context
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.video_file import content_hash
from service.pipeline.video_file import segment as run_segment
from service.processes.scratch import scratch_folder, sweep_scratch
from service.settings import Settings


def segment(  # noqa: PLR0913, PLR0917 (the options of a command)
    video: Annotated[Path, typer.Argument(help="The video file.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the results; default: NAME-tubelets.")] = None,
    param: ParameterOption = None,
    params: ParameterFileOption = None,
    detections: DetectionsOption = None,
    categories: CategoriesOption = None,
    detector: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Description (TOML) of a detector in place of the bundled one.")
    ] = None,
    overlay: Annotated[bool, typer.Option(help="Also write overlay.mp4.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Segment a video in this process: writes tubelets.json, ytvis.json and overlay.mp4."""
    if not video.is_file():
        raise InvalidVideo(f"video: expected a file, got {video}", code="no-such-file")
    settings = Settings()
    if detector is not None:
        settings = settings.model_copy(update={"detector": detector})
    folder = out or Path(f"{video.stem}-tubelets")
    parameters = parse_parameters(param, params, categories=categories, overlay=overlay)
    console = Console(stderr=True)
    with stage_bar(console) as bar:
        asyncio.run(_run(settings, video, detections, folder, parameters, bar))
    document = _as_document(folder)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        Console().print(tubelet_table(document))
        typer.echo(f"written to {folder}/")


def _as_document(folder: Path) -> dict[str, Any]:
    """Put the JSON document in the place of the stored result; the document."""
    file = FILES[ResultFormat.COCO_RLE]
    stored, path = folder / file.stored, folder / file.name
    with path.open("w") as target:
        target.writelines(ResultFile.open(stored).document())
    stored.unlink()
    document: dict[str, Any] = json.loads(path.read_text())
    return document


async def _run(
    settings: Settings, video: Path, detections: Path | None, folder: Path, parameters: JobParameters, bar: StageBar
) -> None:
    scratch_root = settings.data_dir / "scratch"
    await asyncio.to_thread(sweep_scratch, scratch_root)
    with scratch_folder(scratch_root, f"segment-{uuid4().hex}") as scratch:
        async with open_context(settings.engine_settings(), scratch) as context:
            await run_segment(
                video,
                folder,
                sha256=await asyncio.to_thread(content_hash, video),
                context=context,
                parameters=parameters,
                report=lambda progress: bar.update(progress.stage, progress.done, progress.total),
                detections=detections,
            )
