"""Is it alive, is it ready, and how busy is it."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request

from dualtrack.errors import Unavailable
from service.api.deps import MetricsDep, PartsDep
from service.api.metrics.api import StateFigures
from service.api.openapi.responses import problem_response
from service.api.problems import Problem, RequestProblem
from service.api.schemas import LivenessOut, ReadinessOut
from service.wiring import Readiness

router = APIRouter(tags=["service"])


@router.get("/livez", response_description="The API answers.")
async def get_liveness() -> LivenessOut:
    """Whether the API answers; nothing else is checked."""
    return LivenessOut(alive=True)


@router.get(
    "/readyz",
    response_description="Jobs can run.",
    responses={503: problem_response(503)},
)
async def get_readiness(request: Request) -> ReadinessOut:
    """Whether jobs can run: state server, worker, disk and models, as the last check of a few seconds ago found them.

    A 503 lists what is missing in `checks`; a process that is about to stop lists itself, as `api`. `warnings` are no
    reason for a 503.
    """
    readiness: Readiness = request.state.readiness
    checks, warnings = readiness.checks(), list(readiness.warnings)
    if request.app.state.leaving.is_set():
        checks = {**checks, "api": "stopping"}
    missing = ", ".join(name for name, state in checks.items() if state is not True)
    if missing:
        found = {"checks": checks, "warnings": warnings}
        raise RequestProblem(Problem(503, "not-ready", f"not ready: {missing}", found, {"Retry-After": "2"}))
    return ReadinessOut(ready=True, checks=checks, warnings=warnings)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(parts: PartsDep, metrics: MetricsDep) -> Response:
    """Metrics in the Prometheus text format."""
    try:
        metrics.state(
            StateFigures(
                jobs=await parts.jobs.counts(),
                artifacts=await parts.artifacts.counts(),
                oldest_s=await parts.jobs.oldest_queued_s(),
                workers=await parts.workers.count(),
                counts=await parts.counters.read(),
            )
        )
    except Unavailable:
        # Metrics are most wanted when something is down.
        metrics.state(None)
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
