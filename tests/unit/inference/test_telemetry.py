"""onnxruntime sends nothing: the variable is set before it is imported, whoever imports it."""

import os
import subprocess
import sys

import pytest

IMPORTERS = [
    "service.inference.onnx_runtime",
    "service.cli.serving_checks",
    "service.pipeline.detection.outside",
    "evaluation.baselines.literal.graphs",
]
CODE = """
import importlib, os, sys
seen = []
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
print(seen)
"""


@pytest.mark.parametrize("module", IMPORTERS)
def test_the_variable_is_set_before_the_import(module: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", CODE, module]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['1']"
