"""The service with the fake networks in place of the models: `python program.py serve PORT WORKERS API | PART`.

`serve` is `dualtrack serve` with other commands for its parts, and any number of workers. Everything but the networks is
the product's: decoders, cache, checkpoints, results, the API, the queue and the embedded Valkey. API is `patient`, the
product's, or `hasty`, with shorter deadlines for slow clients. PART is what `serve` starts: `hasty`, `worker`, `engine`.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from service.api import main as api_main
from service.api.intake import body, pace
from service.api.server.protocol import DeadlineProtocol
from service.cli import serve as serving
from service.inference.fake.client import FakeClient
from service.inference.repository.manifest import Manifest
from service.pipeline import context
from service.pipeline.networks import Networks
from service.processes.listening import listen
from service.processes.private import PRIVATE
from service.settings import Settings
from service.worker import engine_main
from service.worker.main import run_worker

HEADER_S = 5.0
"""Seconds for a header, for the next piece of a body, and until a slow body counts as slow."""


def command(*words: str) -> tuple[str, ...]:
    """The command that runs this program."""
    return (sys.executable, __file__, *words)


def serve(port: str, workers: str, api: str) -> None:
    settings = Settings(port=int(port))
    os.umask(PRIVATE)
    command_of_api = command("hasty") if api == "hasty" else serving.API
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(each) for each in listen(settings.host, settings.port)]
        asyncio.run(serving.run(settings, sockets, api=command_of_api, workers=[command("worker")] * int(workers)))


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
