"""The published JSON Schema of a result document."""

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def result_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of result documents, schema 1. The returned object is cached; do not modify it."""
    schema: dict[str, Any] = json.loads(Path(__file__).with_name("schema-1.json").read_text())
    return schema
