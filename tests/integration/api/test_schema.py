"""The OpenAPI document is true: requests made from it, good and bad, one by one and along its links."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.state import redis_keys
from service.wiring import Parts
from tests.integration.api.api_service import Api, running, wait_for
from tests.schema.run import KEY, schemathesis
from tests.support.patience import get

YEAR_S = 365 * 24 * 3600
PHASES = ("examples", "coverage", "fuzzing", "stateful")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("schema"), api_key=KEY, max_queue=100_000) as api:
        api.act(worker_for_a_year)
        wait_for(lambda: get(f"{api.url}/readyz").status_code == 200)
        yield api


async def worker_for_a_year(parts: Parts) -> None:
    await parts.redis.zadd(redis_keys.WORKERS, {"the test": time.time() + YEAR_S})


def test_all_checks_of_schemathesis(api: Api, tmp_path: Path) -> None:
    status, report = schemathesis(api.url, tmp_path, "--max-examples", "4", "--seed", "0", "--continue-on-failure")
    operations = [operation for path in api_document(api)["paths"].values() for operation in path]
    assert (status, report["failures"], report["errors"]) == (0, [], [])
    assert report["operations"]["tested"] == len(operations)
    assert {phase: found["status"] for phase, found in report["phases"].items()} == dict.fromkeys(PHASES, "success")


def api_document(api: Api) -> dict[str, Any]:
    return dict(get(f"{api.url}/openapi.json").json())
