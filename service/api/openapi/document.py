"""The document as a whole."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from service.api.openapi.bodies import FORMS
from service.api.openapi.refs import PREFIX, TEMPLATE, with_refs
from service.api.openapi.results import result_components
from service.api.schemas import ArtifactRequest, JobRequest, ProblemDetails

LICENSE = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
SERVERS = [{"url": "/", "description": "The service that this document comes from."}]
TAGS = [
    {"name": "videos", "description": "Upload videos, look them up, delete them. A video's id is its SHA-256."},
    {"name": "jobs", "description": "Create a job, follow its progress, cancel it. One job segments one video."},
    {"name": "results", "description": "Download the result of a job, or request a file that is made from it."},
    {"name": "models", "description": "The networks in use."},
    {"name": "service", "description": "Health checks and metrics; none of them needs an API key."},
]
SECURITY = {
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "The API key of the service; only if it is configured with one.",
    }
}


def operation_id(route: APIRoute) -> str:
    """The name of the route's function, such as `create_job`: generators name functions after it."""
    return route.name


def install(app: FastAPI, *, has_key: bool) -> None:
    """Give `app` its OpenAPI document; with `has_key` it says that the key is needed."""

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, has_key=has_key)
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign] # FastAPI's documented way to extend the document


def _document(app: FastAPI, *, has_key: bool) -> dict[str, Any]:
    document: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=TAGS,
        servers=SERVERS,
        license_info=LICENSE,
    )
    _, definitions = models_json_schema(
        [(JobRequest, "validation"), (ArtifactRequest, "validation"), (ProblemDetails, "validation")],
        ref_template=TEMPLATE,
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update({**definitions["$defs"], **FORMS, **result_components()})
    components["securitySchemes"] = SECURITY
    for path, item in document["paths"].items():
        for operation in item.values() if path.startswith("/v1/") else ():
            # whether a key is needed is a setting: without one, requests may carry one or not
            operation["security"] = [{"api_key": []}] if has_key else [{}, {"api_key": []}]
    return _named_by_title(document)


def _named_by_title(document: dict[str, Any]) -> dict[str, Any]:
    """The same document with components named by their titles: `Job`, where the class is `JobOut`."""
    schemas = document["components"]["schemas"]
    names = {name: str(schema.get("title", name)) for name, schema in schemas.items()}
    if len(set(names.values())) < len(names):
        raise ValueError(f"OpenAPI: expected every title once, got {sorted(names.values())}")
    renamed: dict[str, Any] = with_refs(document, lambda target: PREFIX + names[target.removeprefix(PREFIX)])
    components = renamed["components"]
    components["schemas"] = {names[name]: schema for name, schema in components["schemas"].items()}
    return renamed
