"""What two generators make of the OpenAPI document: a client package and pydantic models."""

import importlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Union

import httpx
import pytest
from pydantic import TypeAdapter

from service.api.app import create_app
from service.settings import Settings

GENERATORS = "DUALTRACK_TEST_GENERATORS"
PREFIX = "#/components/schemas/"


def program(name: str) -> Path:
    """A generator in the environment of `make test-generators`; absent, it is an error where it was named."""
    folder = Path(os.environ.get(GENERATORS, ".venv-generators/bin")).absolute()
    if not (folder / name).is_file():
        if GENERATORS in os.environ:
            pytest.fail(f"{GENERATORS}: expected {name} in {folder}, found none")
        pytest.skip(f"needs {name} in {folder}: run `make test-generators`")
    return folder / name


def document() -> dict[str, Any]:
    """The document as the API serves it."""
    return create_app(Settings()).openapi()


def client_package(path: Path, folder: Path) -> str:
    """The name of the package that openapi-python-client writes into a folder; a warning fails."""
    config = folder / "client.yml"
    config.write_text("post_hooks: []\n")
    run(program("openapi-python-client"), "generate", "--path", path, "--output-path", folder / "generated_client",
        "--meta", "none", "--config", config, "--fail-on-warning")  # fmt: skip
    return "generated_client"


def models_module(path: Path, folder: Path) -> str:
    """The name of the module that datamodel-codegen writes into a folder; members that are not documented fail."""
    run(program("datamodel-codegen"), "--input", path, "--input-file-type", "openapi", "--formatters", "builtin",
        "--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11", "--extra-fields", "forbid",
        "--output", folder / "generated_models.py")  # fmt: skip
    return "generated_models"


def run(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Answers:
    """The JSON answers of a client, each checked by the generated models of its operation."""

    document: dict[str, Any]
    models: ModuleType
    seen: list[tuple[str, int]]

    def check(self, response: httpx.Response) -> None:
        """An event hook of httpx."""
        response.read()
        if not response.content or "json" not in response.headers["content-type"]:
            return
        operation = self._operation(response.request)
        content = operation["responses"][str(response.status_code)]["content"]
        schema = content[response.headers["content-type"]]["schema"]
        names = [item["$ref"].removeprefix(PREFIX) for item in schema.get("anyOf", [schema])]
        TypeAdapter(Union[tuple(getattr(self.models, name) for name in names)]).validate_json(response.content)  # noqa: UP007
        self.seen.append((operation["operationId"], response.status_code))

    def _operation(self, request: httpx.Request) -> dict[str, Any]:
        parts = request.url.path.split("/")
        for template, item in self.document["paths"].items():
            wanted = template.split("/")
            if len(wanted) == len(parts) and all(a == b or a.startswith("{") for a, b in zip(wanted, parts)):
                return dict(item[request.method.lower()])
        raise AssertionError(f"no path of the document fits {request.url.path}")


def generate(folder: Path, patch: pytest.MonkeyPatch) -> tuple[dict[str, Any], str, ModuleType]:
    """The document, the client package's name, the models."""
    described = document()
    path = folder / "openapi.json"
    path.write_text(json.dumps(described))
    patch.syspath_prepend(str(folder))
    return described, client_package(path, folder), importlib.import_module(models_module(path, folder))
