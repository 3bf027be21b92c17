"""Is it alive, is it ready, and how busy is it."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from dualtrack.errors import Unavailable
from service.api.deps import MetricsDep, PartsDep
from service.api.metrics.api import StateFigures
from service.api.openapi import problem_response
from service.api.problems import Problem, RequestProblem
from service.api.schemas import HealthOut
from service.wiring import count_workers, ready

router = APIRouter(tags=["operation"])


@router.get("/livez")
async def livez() -> dict[str, bool]:
    """The event loop turns; nothing else is looked at."""
    return {"alive": True}


@router.get(
    "/readyz",
    responses={503: problem_response(503)},
)
async def readyz(parts: PartsDep) -> HealthOut:
    """State server, worker, disk and models; 503 names what is missing in `checks`."""
    checks = await ready(parts)
    missing = ", ".join(name for name, state in checks.items() if state is not True)
    if missing:
        problem = Problem(503, "not-ready", f"not ready: {missing}", {"checks": checks}, {"Retry-After": "2"})
        raise RequestProblem(problem)
    return HealthOut(ready=True, checks=checks)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(parts: PartsDep, metrics: MetricsDep) -> Response:
    """Prometheus series."""
    try:
        metrics.state(
            StateFigures(
                jobs=await parts.jobs.counts(),
                oldest_s=await parts.jobs.oldest_queued_s(),
                workers=await count_workers(parts),
                counts=await parts.counters.read(),
            )
        )
    except Unavailable:
        # Metrics are most wanted when something is down.
        metrics.state(None)
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
