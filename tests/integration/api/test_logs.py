"""What the API logs: an unexpected exception costs one bounded entry, and every entry has the same format."""

import json
import subprocess
import sys
from typing import Any

PROGRAM = """
import asyncio, logging, sys
import httpx, structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from service.api.app import handle_errors
from service.api.metrics.api import ApiMetrics
from service.api.middleware import RequestMiddleware
from service.telemetry import configure_logging

configure_logging(sys.argv[1], json=True)
app = FastAPI()
handle_errors(app)
app.add_middleware(RequestMiddleware, metrics=ApiMetrics(CollectorRegistry()))

@app.get("/broken")
async def broken():
    secret = "s3cret" * 1000
    raise ValueError("v" * 1_000_000)

async def main():
    transport = httpx.ASGITransport(app, client=("203.0.113.7", 1), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        for path in ("/broken", "/nowhere/" + "x" * 1000):
            answer = await http.get(path, headers={"X-Request-ID": "r-1"})
            print(answer.status_code, answer.headers.get("content-type"))
    logging.getLogger("uvicorn.error").error("said by %s", "a library")

asyncio.run(main())
"""


def logged(level: str) -> tuple[list[dict[str, Any]], list[str]]:
    command = [sys.executable, "-c", PROGRAM, level]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()], done.stdout.splitlines()


def test_every_entry_is_json_and_short() -> None:
    entries, answers = logged("info")
    assert answers == ["500 application/problem+json", "404 application/problem+json"]
    failed, broken, unmatched, library = entries
    assert {entry.get("request_id") for entry in (failed, broken, unmatched)} == {"r-1"}
    assert "ValueError" in failed["exception"]
    assert "s3cret" not in failed["exception"], "the values of variables are what clients sent"
    assert len(json.dumps(failed)) < 20_000
    assert (broken["route"], "path" in broken) == ("/broken", False)
    assert unmatched["route"] == "unmatched"
    assert unmatched["client"] == "203.0.113.7"
    assert unmatched["path"] == "/nowhere/" + "x" * 191
    assert (library["event"], library["level"]) == ("said by a library", "error")


def test_the_level_holds_for_the_api() -> None:
    entries, _ = logged("error")
    assert [entry["level"] for entry in entries] == ["error", "error"]
