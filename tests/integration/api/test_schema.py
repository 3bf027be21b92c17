"""The OpenAPI document is true: requests made from it, good and bad, get what it promises."""

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.integration.api.api_service import Api, running

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("schema")) as api:
        yield api


PATHS = {
    "/v1/videos": "post",
    "/v1/videos/{video_id}": "get delete",
    "/v1/jobs": "post",
    "/v1/jobs/{job_id}": "get delete",
    "/v1/jobs/{job_id}/result": "get",
    "/v1/jobs/{job_id}/artifacts": "post",
    "/v1/models": "get",
    "/livez": "get",
    "/metrics": "get",
}
OPERATIONS = [(path, method) for path, methods in PATHS.items() for method in methods.split()]
FALLIBLE = [(path, method) for path, method in OPERATIONS if method == "post" or path.startswith("/v1/jobs/")]
"""Those that take a body or a query, so that a request can be wrong."""
CASES = [(*each, GenerationMode.POSITIVE) for each in OPERATIONS] + [
    (*each, GenerationMode.NEGATIVE) for each in FALLIBLE if each[1] != "delete"
]
HEALTH = list(HealthCheck)


def test_every_operation_is_tried(api: Api) -> None:
    paths = httpx.get(f"{api.url}/openapi.json").json()["paths"]
    # Without a worker it is rightly not ready.
    assert {(path, method) for path, item in paths.items() for method in item} == {*OPERATIONS, ("/readyz", "get")}


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_requests_from_the_document(api: Api, path: str, method: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(httpx.get(f"{api.url}/openapi.json").json())
    schema.config.update(base_url=api.url)
    operation = schema[path][method.upper()]

    @settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=HEALTH, database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: schemathesis.Case) -> None:
        if isinstance(case.query, dict) and isinstance(case.query.get("wait"), int | float):
            # The value stays what it is, right or wrong; only the waiting is cut short.
            case.query["wait"] = min(case.query["wait"], 0.02)
        case.call_and_validate(checks=CHECKS)

    attempt()
