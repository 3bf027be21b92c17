"""`dualtrack submit VIDEO`: segment a video with a running service."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dualtrack.client.client import Client
from dualtrack.client.job import Job
from dualtrack.errors import InvalidDetections
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.progress_bar import progress_bar
from dualtrack.result.result import Result
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


def submit(  # noqa: PLR0913, PLR0917 (the options of a command)
    video: Annotated[Path, typer.Argument(help="Video file.")],
    url: Annotated[
        str, typer.Option(help="Address of the service, http://HOST:PORT or https://HOST:PORT.")
    ] = "http://127.0.0.1:8080",
    api_key: Annotated[
        str | None,
        typer.Option(envvar="DUALTRACK_API_KEY", help="API key (bearer token), if the service requires one."),
    ] = None,
    out: OutOption = None,
    param: ParameterOption = None,
    params: ParameterFileOption = None,
    detections: DetectionsOption = None,
    categories: CategoriesOption = None,
    overlay: Annotated[bool, typer.Option(help="Also download overlay.mp4, the video with the objects drawn.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of a table.")] = False,
) -> None:
    """Submit a video to a service, wait for the job and download its results."""
    folder = result_folder(video, out)
    if detections is not None and not detections.is_file():
        raise InvalidDetections(f"detections: expected a file, got {detections}")
    parameters = parse_parameters(param, params, categories=categories, overlay=overlay)
    with Client(url, api_key=api_key) as client:
        job, result = run_job(client, url, video, folder, parameters.model_dump(exclude_none=True), detections)
        if as_json:
            typer.echo(json.dumps(result.document()))
        else:
            Console().print(tubelet_table(result))
            typer.echo(f"Results written to {folder}/")
        if parameters.overlay:
            fetch_overlay(client, job, folder)


def run_job(
    client: Client, url: str, video: Path, folder: Path, parameters: dict[str, Any], detections: Path | None = None
) -> tuple[Job, Result]:
    """Submit a video, show the progress of its job, and write the results to `folder`; returns job and result."""
    with warned_already():
        job = client.submit(video, detections=detections, **parameters)
    address = f"{url.rstrip('/')}/v1/jobs/{job.id}"
    typer.echo(f"Job {job.id}: {address}", err=True)
    try:
        with progress_bar() as bar:
            job = client.wait(job, bar.show)
    except KeyboardInterrupt:
        typer.echo(f"Interrupted. The job continues; to cancel it: curl -X DELETE {address}", err=True)
        raise
    # read first, so that no folder is created if the job failed
    result = client.result(job)
    folder.mkdir(parents=True, exist_ok=True)
    result.save(folder / FILES[ResultFormat.COCO_RLE].name)
    client.download(job, ResultFormat.YTVIS, folder / FILES[ResultFormat.YTVIS].name)
    return job, result


def fetch_overlay(client: Client, job: Job, folder: Path) -> Path:
    """Wait until the overlay of a done job is drawn, and download it to `folder`; returns its path.

    Raises:
        Conflict: it could not be drawn; the results in `folder` stay.
    """
    with progress_bar() as bar:
        path = folder / FILES[ResultFormat.OVERLAY_MP4].name
        return client.download(job, ResultFormat.OVERLAY_MP4, path, on_progress=bar.show)
