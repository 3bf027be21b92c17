"""The overhead of Triton: CPU time of the whole pipeline in-process, with shared memory, and with gRPC messages.

    python -m evaluation.studies.triton_cost CLIP --url HOST:PORT --pid PID [--rounds 3] [--jobs 4]

`--pid` is the server's process: its CPU time and that of its backend processes are added to this process's. The three
variants alternate, so that other load on the machine affects all of them. Finally several jobs run concurrently, to
show which batch sizes the server forms.
"""

import asyncio
import os
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from tritonclient.grpc import InferenceServerClient

from dualtrack.digest import sha256_of
from service.inference.open import SHARED_BYTES, open_client
from service.inference.repository.manifest import Manifest, load_manifest
from service.media.limits import VideoLimits
from service.pipeline.context import PipelineContext
from service.pipeline.networks import Networks
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.store.cache import NoCache
from service.pipeline.video_file import segment

WAYS = {"in process": None, "shared memory": SHARED_BYTES, "messages": 0}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running Triton: its gRPC endpoint and its process."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """CPU seconds used so far by the server and its backend processes."""
        return sum(_cpu_s(process) for process in (self.pid, *_children(self.pid)))


def main(
    clip: Annotated[Path, typer.Argument(help="A video file.")],
    url: Annotated[str, typer.Option(help="host:port of Triton's gRPC endpoint.")],
    pid: Annotated[int, typer.Option(help="Process id of the server.")],
    repository: Annotated[Path, typer.Option(help="Model repository that it serves.")] = Path("model_repository"),
    rounds: Annotated[int, typer.Option(help="Runs of each variant.")] = 3,
    jobs: Annotated[int, typer.Option(help="Concurrent jobs for the batch sizes.")] = 4,
) -> None:
    """Measure and print CPU times and batch sizes."""
    manifest, server = load_manifest(repository), Server(url, pid)
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            spent[way].append(asyncio.run(_cost(clip, manifest, server, way)))
    base = statistics.median(spent["in process"])
    for way, seconds in spent.items():
        middle = statistics.median(seconds)
        runs = ", ".join(f"{value:.2f}" for value in seconds)
        typer.echo(f"{way}: median {middle:.2f} CPU s ({runs}), {middle / base:.2f} x in process")
    before = _batches(url)
    asyncio.run(_at_once(clip, manifest, server, jobs))
    for size, count in sorted(_batches(url).items()):
        typer.echo(f"mask_rcnn, {jobs} concurrent jobs: {count - before.get(size, 0)} executions of batch {size}")


async def _cost(clip: Path, manifest: Manifest, server: Server, way: str) -> float:
    own, theirs = _cpu_s(os.getpid()), server.cpu_s()
    children = _waited_s()
    await _segment(clip, manifest, server, way)
    return _cpu_s(os.getpid()) - own + server.cpu_s() - theirs + _waited_s() - children


async def _at_once(clip: Path, manifest: Manifest, server: Server, jobs: int) -> None:
    await asyncio.gather(*(_segment(clip, manifest, server, "shared memory") for _ in range(jobs)))


async def _segment(clip: Path, manifest: Manifest, server: Server, way: str) -> None:
    shared = WAYS[way]
    client = await open_client(
        manifest,
        triton_url=None if shared is None else server.url,
        providers=["CPUExecutionProvider"],
        threads=1,
        deadline_s=120,
        shared_bytes=shared or 0,
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            context = PipelineContext(Networks(client, manifest), VideoLimits(), Path(folder) / "scratch", NoCache())
            await segment(
                clip,
                Path(folder) / "out",
                sha256=sha256_of(clip),
                context=context,
                parameters=JobParameters(overlay=False),
                report=lambda _: None,
            )
    finally:
        await client.close()


def _batches(url: str) -> dict[int, int]:
    """Executions of `mask_rcnn` so far by batch size, as counted by the server."""
    client = InferenceServerClient(url)
    try:
        statistics_of = client.get_inference_statistics("mask_rcnn").model_stats[0]
        return {entry.batch_size: entry.compute_infer.count for entry in statistics_of.batch_stats}
    finally:
        client.close()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _waited_s() -> float:
    """CPU seconds of this process's terminated children: the decoder."""
    times = os.times()
    return times.children_user + times.children_system


def _children(pid: int) -> set[int]:
    files = (task / "children" for task in Path(f"/proc/{pid}/task").iterdir())
    direct = {int(child) for file in files for child in file.read_text().split()}
    return direct.union(*(_children(child) for child in direct)) if direct else set()


if __name__ == "__main__":
    typer.run(main)
