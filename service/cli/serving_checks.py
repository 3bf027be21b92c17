"""Checks of the serving stack for `dualtrack doctor`: providers, models, detector, Redis, inference."""

import asyncio
from collections.abc import Callable

import onnxruntime
from redis.asyncio import Redis
from redis.exceptions import RedisError

from dualtrack.errors import DualtrackError
from service.cli.check import Check
from service.inference.open import open_client
from service.inference.repository.manifest import load_manifest, verify
from service.pipeline.detection.outside import open_detector
from service.settings import Settings

TIMEOUT_S = 3.0


def serving_checks() -> list[Check]:
    """One check per component, in the order in which a worker opens them."""
    settings = Settings()
    checks = [
        # the module's version, because the distribution for GPUs has another name
        Check("onnxruntime", True, onnxruntime.__version__),
        _providers(settings),
        _checked("models", lambda: _models(settings)),
    ]
    if settings.detector is not None:
        checks.append(_checked("detector", lambda: _detector(settings)))
    return [*checks, _checked("redis", lambda: _redis(settings)), _checked("inference", lambda: _inference(settings))]


def _providers(settings: Settings) -> Check:
    available = onnxruntime.get_available_providers()
    missing = [name for name in settings.providers if name not in available]
    return Check("providers", not missing, f"configured: {list(settings.providers)}, available: {available}")


def _models(settings: Settings) -> str:
    manifest = load_manifest(settings.model_repository)
    verify(manifest)
    return (
        f"{manifest.release} ({manifest.architecture}), {len(manifest.graphs)} graphs, {len(manifest.classes)} classes"
    )


def _detector(settings: Settings) -> str:
    open_detector(settings.detector, providers=settings.providers, threads=settings.threads)
    return f"{settings.detector} matches its graph"


def _redis(settings: Settings) -> str:
    if settings.redis_url is None:
        return "not configured: `dualtrack serve` starts an embedded Valkey"
    url = settings.redis_url.get_secret_value()

    async def ping() -> None:
        client = Redis.from_url(url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S)
        try:
            await client.ping()
        finally:
            await client.aclose()

    asyncio.run(ping())
    return "reachable"


def _inference(settings: Settings) -> str:
    async def open_and_close() -> None:
        client = await open_client(
            load_manifest(settings.model_repository),
            triton_url=settings.triton_url,
            providers=settings.providers,
            threads=settings.threads,
            deadline_s=settings.inference_deadline_s,
        )
        await client.close()

    asyncio.run(open_and_close())
    return f"Triton at {settings.triton_url}" if settings.triton_url else "ONNX Runtime in this process"


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except (DualtrackError, RedisError, OSError) as error:
        return Check(name, False, str(error))
