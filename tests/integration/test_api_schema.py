"""The OpenAPI document is true: requests made from it, good and bad, get what it promises."""

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from api_service import Api, running
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

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


@pytest.fixture(scope="module")
def api_schema(api: Api) -> schemathesis.BaseSchema:
    document = httpx.get(f"{api.url}/openapi.json").json()
    # Without a worker it is rightly not ready: that 503 is tested elsewhere.
    del document["paths"]["/readyz"]
    loaded = schemathesis.openapi.from_dict(document)
    loaded.config.update(base_url=api.url)
    return loaded


schema = schemathesis.pytest.from_fixture("api_schema")


@schema.parametrize()
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
def test_requests_from_the_document(case: schemathesis.Case) -> None:
    if "wait" in case.query:
        case.query["wait"] = (
            min(case.query["wait"], 0.05) if isinstance(case.query["wait"], float) else case.query["wait"]
        )
    case.call_and_validate(checks=CHECKS)
