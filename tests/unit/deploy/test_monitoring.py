"""Dashboard and rules use series that exist, and the rules do what their tests say."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from service.api.metrics.api import ApiMetrics, StateFigures
from service.state.counters import counts_of

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
TRITON = {
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_pending_request_count",
    "nv_inference_request_duration_us",
    "nv_inference_request_failure",
    "nv_inference_request_success",
}
"""As the real server of `make test-triton` names them."""


def expressions() -> list[str]:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    (group,) = yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"]
    return [target["expr"] for panel in panels for target in panel["targets"]] + [r["expr"] for r in group["rules"]]


def series() -> set[str]:
    """Names of all series that the API shows."""
    metrics = ApiMetrics(CollectorRegistry())
    metrics.observe("GET", "/", 200, 0.1)
    counts = counts_of({"jobs:done": "1", "seconds:detect:2.5": "1", "seconds:detect:sum": "2"})
    metrics.state(StateFigures(jobs={"queued": 1}, artifacts={"waiting": 1}, oldest_s=2.0, workers=1, counts=counts))
    return set(re.findall(r"^(dualtrack_\w+)", generate_latest(metrics.registry).decode(), re.MULTILINE))


def test_every_series_exists() -> None:
    used = {name for text in expressions() for name in re.findall(r"(?<![:\w])(?:dualtrack_\w+|nv_\w+)", text)}
    assert used
    assert used <= series() | TRITON


def test_rules_do_what_their_tests_say() -> None:
    promtool = os.environ.get("DUALTRACK_TEST_PROMTOOL") or shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (Debian package prometheus) on PATH or in DUALTRACK_TEST_PROMTOOL")
    done = subprocess.run(
        [promtool, "test", "rules", "rules_test.yml"], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
