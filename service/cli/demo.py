"""`dualtrack demo`: start the whole service, segment a clip, and stop it."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from dualtrack.children import program_environment, python_command, require_serving
from dualtrack.client.client import Client
from dualtrack.errors import InvalidVideo, Unavailable
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.outputs import writable_results
from service.cli.display import tubelet_table
from service.cli.submit import fetch_overlay, run_job

START_S = 60.0
STOP_S = 15.0
LOG = "service.log"


def demo(
    clip: Annotated[
        Path | None, typer.Option(help="Video file to segment; default: a bundled clip of pedestrians.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results, the log and the service's data.")] = Path(
        "demo-output"
    ),
) -> None:
    """Start the service, POST a clip, print its tubelets, write overlay.mp4 and tubelets.json, stop the service."""
    require_serving("dualtrack demo")
    # only here: the base installation does not have it
    from service.settings import Settings, bundled  # noqa: PLC0415

    clip = clip or bundled("demo/pedestrians.mp4")
    if not clip.is_file():
        raise InvalidVideo(f"clip: expected a file, got {clip}", code="no-such-file")
    writable_results(out)
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    secret = Settings().api_key
    key = None if secret is None else secret.get_secret_value()
    with running_service(out) as url, Client(url, api_key=key) as client:
        console.print(f"service ready at {url} (log: {out / LOG})", markup=False)
        console.print(f"POST {clip} to {url}/v1/jobs", markup=False)
        job, result = run_job(client, url, clip, out, {})
        console.print(tubelet_table(result))
        console.print(f"tubelets: {out / FILES[ResultFormat.COCO_RLE].name}", markup=False)
        console.print(f"overlay:  {fetch_overlay(client, job, out)}", markup=False)


@contextlib.contextmanager
def running_service(out: Path) -> Iterator[str]:
    """Run a service on a free port of the loopback interface while the block runs; yields its URL.

    Data and log are written to `out`.
    """
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    log = out / LOG
    environment = {**program_environment(), "DUALTRACK_DATA_DIR": str((out / "data").resolve())}
    with log.open("wb") as file:
        command = python_command("service.cli.main", "serve", "--host", "127.0.0.1", "--port", str(port))
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)  # noqa: S603 (our own program)
        try:
            _wait_ready(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", timeout=2).is_success:
                return
        time.sleep(0.1)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise Unavailable(f"service: not ready within {START_S:.0f} s; last lines of {log}:\n{tail}", code="not-ready")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
