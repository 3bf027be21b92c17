"""The OpenAPI document names and describes everything, and keeps to what client generators understand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dualtrack.result.schema import result_schema
from service.api.app import create_app
from service.settings import Settings
from tests.support.results import document_in, write_empty

PREFIX = "#/components/schemas/"
OPERATIONS = {
    *("upload_video", "get_video", "delete_video", "create_job", "get_job", "cancel_job", "get_result"),
    *("create_artifact", "get_models", "get_liveness", "get_readiness", "get_metrics"),
}
NAMED = {
    "Artifact",
    "ArtifactRequest",
    "Video",
    "Job",
    "JobRequest",
    "JobForm",
    "Result",
    "Tubelet",
    "Mask",
    "YtvisRecord",
    "Problem",
}
SUM = "0" * 64


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for item in document["paths"].values() for operation in item.values()]


def component(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {"$ref": PREFIX + name, "components": document["components"]}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(item)


def test_operation_ids_are_verbs(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(document)]
    assert sorted(ids) == sorted(OPERATIONS)


def test_license_server_key_and_tags(document: dict[str, Any]) -> None:
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert [server["url"] for server in document["servers"]] == ["/"]
    assert document["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert {tag for operation in operations(document) for tag in operation["tags"]} == described


def test_everything_has_a_description_of_its_own(document: dict[str, Any]) -> None:
    for operation in operations(document):
        items = [operation, *operation.get("parameters", []), *operation["responses"].values()]
        assert [item for item in items if item.get("description", "") in {"", "Successful Response"}] == []
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), name
        assert "Attributes:" not in schema["description"], name


def test_components_have_public_names_and_references_lead_to_them(document: dict[str, Any]) -> None:
    names = set(document["components"]["schemas"])
    assert names >= NAMED
    assert [name for name in names if name.endswith("Out")] == []
    assert {item["$ref"].removeprefix(PREFIX) for item in objects(document) if "$ref" in item} <= names


def test_nothing_that_openapi_python_client_cannot_read(document: dict[str, Any]) -> None:
    assert [item for item in objects(document) if "prefixItems" in item or item.get("items") is False] == []
    bodies = [operation["requestBody"]["content"] for operation in operations(document) if "requestBody" in operation]
    assert {kind for body in bodies for kind in body} == {
        *("application/json", "multipart/form-data", "application/octet-stream")
    }


@pytest.mark.parametrize(
    ("form", "valid"),
    [
        pytest.param({}, False, id="empty"),
        pytest.param({"file": ""}, True, id="file"),
        pytest.param({"video_id": SUM}, True, id="video"),
        pytest.param({"file": "", "video_id": SUM}, False, id="both"),
        pytest.param({"file": "", "parameters": {"th_det": 0.3}, "detections": ""}, True, id="all-parts"),
        pytest.param({"file": "", "parameters": {"th_det": 3}}, False, id="wrong-parameter"),
        pytest.param({"file": "", "other": ""}, False, id="unknown-part"),
    ],
)
def test_a_form_has_a_file_or_a_video_id(document: dict[str, Any], form: dict[str, Any], valid: bool) -> None:
    assert jsonschema.Draft202012Validator(component(document, "JobForm")).is_valid(form) == valid


def test_the_result_component_is_the_published_schema(document: dict[str, Any], tmp_path: Path) -> None:
    write_empty(tmp_path)
    result = document_in(tmp_path)
    wrong = {**result, "tubelets": [{"id": 1}]}
    for schema in (result_schema(), component(document, "Result")):
        validator = jsonschema.Draft202012Validator(schema)
        assert (validator.is_valid(result), validator.is_valid(wrong)) == (True, False)
    assert result_schema()["$defs"].keys() <= document["components"]["schemas"].keys()
