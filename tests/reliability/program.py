"""The service with the fake networks in place of the models: `python program.py serve PORT WORKERS API | ANY`.

`serve` supervises as `dualtrack serve` does, with any number of workers. Everything but the networks is the product's:
decoders, cache, checkpoints, results, the API, the queue and the embedded Valkey. API is `patient`, the product's,
or `hasty`, with shorter deadlines for slow clients. ANY is a part that `serve` starts: `hasty`, `worker`, `engine`.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from dualtrack.children import program_environment, python_command
from service.api import __main__ as api_main
from service.api.intake import body, pace
from service.api.server.protocol import DeadlineProtocol
from service.inference.fake.client import FakeClient
from service.inference.repository.manifest import Manifest
from service.pipeline import context
from service.pipeline.networks import Networks
from service.processes.listening import listen
from service.processes.private import PRIVATE, private_folder
from service.processes.signals import until_stopped
from service.processes.supervise import keep_running
from service.settings import Settings
from service.state.embedded import embedded_valkey
from service.worker import engine_main
from service.worker.main import run_worker

STOP_S = 60.0
HEADER_S = 2.0
"""Seconds for a header, for the next piece of a body, and until a slow body counts as slow."""


def command(*words: str) -> tuple[str, ...]:
    """The command that runs this program."""
    return (sys.executable, __file__, *words)


def serve(port: str, workers: str, api: str) -> None:
    settings = Settings(port=int(port))
    os.umask(PRIVATE)
    with contextlib.ExitStack() as stack:
        descriptors = [stack.enter_context(each).fileno() for each in listen(settings.host, settings.port)]
        command_of_api = command("hasty") if api == "hasty" else python_command("service.api")
        asyncio.run(_serve(settings, descriptors, command_of_api, int(workers)))


async def _serve(settings: Settings, descriptors: Sequence[int], api: Sequence[str], workers: int) -> None:
    private_folder(settings.data_dir)
    async with embedded_valkey(settings.data_dir / "valkey") as url:
        environment = {**program_environment(), "DUALTRACK_REDIS_URL": url}
        await until_stopped(_supervise(environment, descriptors, api, workers))


async def _supervise(environment: dict[str, str], descriptors: Sequence[int], api: Sequence[str], workers: int) -> None:
    api = (*api, *map(str, descriptors))
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_running(api, environment, stop_s=STOP_S, name="service.api", descriptors=descriptors))
        for _ in range(workers):
            group.create_task(keep_running(command("worker"), environment, stop_s=STOP_S))


def hasty_api(descriptors: Sequence[str]) -> None:
    DeadlineProtocol.header_s = body.CHUNK_TIMEOUT_S = HEADER_S
    pace.SLOW_AFTER_S = HEADER_S
    api_main.main(descriptors)


async def fake_networks(_settings: context.EngineSettings, manifest: Manifest) -> Networks:
    return Networks(FakeClient(manifest.dims), manifest)


def main(what: str, *words: str) -> None:
    match what:
        case "serve":
            serve(*words)
        case "hasty":
            hasty_api(words)
        case "worker":
            asyncio.run(run_worker(Settings(), engine_command=command("engine")))
        case "engine":
            context.open_networks = fake_networks
            engine_main.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
