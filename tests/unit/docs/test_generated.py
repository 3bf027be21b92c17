"""Reference pages that are made from the code: complete, and markers that name them exist."""

import re

import pytest

from docs.generator import commands, detector, errors, http_api, result_schema, settings
from docs.generator.attributes import attributes
from docs.generator.markers import GENERATED, MARKER, filled
from docs.generator.schema_types import type_of
from docs.generator.tables import table
from dualtrack.error_codes import CLASS_OF_CODE
from service.cli.config import variables
from service.pipeline.detection.description import Description
from service.settings import Settings
from tests.unit.docs.pages import ROOT


def test_every_marker_is_used_once() -> None:
    found = [name for path in (ROOT / "docs").rglob("*.md") for name in MARKER.findall(path.read_text())]
    assert sorted(found) == sorted(GENERATED)


def test_an_unknown_marker_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"expected a marker that names one of commands, .*; got comands"):
        filled("<!-- generated: comands -->")


def test_every_setting_is_listed_and_explained() -> None:
    listed = settings.settings()
    assert [each.variable for each in listed] == list(variables(Settings().masked()))
    assert [each.variable for each in listed if not each.description or not each.values] == []
    assert "| `DUALTRACK_MAX_QUEUE` | `64` | whole number > 0 |" in settings.markdown()
    assert "| `DUALTRACK_LIMITS__MAX_BYTES` | `2147483648` (2 GiB) |" in settings.markdown()


def test_every_command_is_listed_with_its_options() -> None:
    text = commands.markdown()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert {"dualtrack segment", "dualtrack models import", "dualtrack export publish", "dualtrack tune"} <= set(
        headings
    )
    assert "dualtrack segment VIDEO [OPTIONS]" in text
    assert re.search(r"\| `--param`, `-p` `NAME=VALUE` \|  \| .+ \|", text)
    assert "Also from the environment: `DUALTRACK_API_KEY`." in text


def test_every_operation_and_schema_is_listed() -> None:
    api, text = http_api.document(), http_api.markdown()
    assert [path for method, path, _ in http_api.operations(api) if f"## {method} {path}\n" not in text] == []
    anchors = set(re.findall(r"\{ #([\w-]+) \}", text)) | {"problems"}
    assert {name for name in re.findall(r"\]\(#([\w-]+)\)", text) if name not in anchors} == set()


def test_every_code_is_listed() -> None:
    assert {code for code in CLASS_OF_CODE if f"`{code}`" not in errors.markdown()} == set()


def test_every_member_of_a_result_is_listed() -> None:
    text = result_schema.markdown()
    assert {name for name in result_schema.definitions() if f"### {name} {{ #{name.lower()} }}\n" not in text} == set()
    assert re.search(r"\| `track_boxes` \| list of \[Box\]\(#box\) or null \| yes \| .+ \|", text)


def test_every_field_of_a_description_is_listed() -> None:
    text = detector.markdown()
    assert {
        name for name in Description.model_fields if name not in detector.TABLES and f"`{name}`" not in text
    } == set()
    assert "`[scores]`" in text
    described = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(described) > 25
    assert [line for line in described if line.endswith("|  |")] == []


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"type": "integer", "minimum": 0}, "integer ≥ 0", id="bound"),
        pytest.param({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null", id="either"),
        pytest.param({"$ref": "#/components/schemas/JobOut"}, "[JobOut](#jobout)", id="named"),
        pytest.param({"type": "array", "items": {"type": "string"}}, "list of string", id="list"),
        pytest.param({"enum": ["a", "b"]}, "`a`, `b`", id="choices"),
        pytest.param({"type": "string", "format": "binary"}, "file", id="file"),
        pytest.param({}, "any", id="nothing-said"),
    ],
)
def test_types_in_words(schema: dict[str, object], expected: str) -> None:
    assert type_of(schema) == expected


def test_cells_keep_the_table_in_one_piece() -> None:
    assert table(("a", "b"), [("x|y", "two\nlines")]) == "| a | b |\n|---|---|\n| x\\|y | two lines |\n"
    assert table(("a",), [("`--x` `A|<B>`",)]) == "| a |\n|---|\n| `--x` <code>A&#124;&lt;B&gt;</code> |\n"


def test_attributes_of_a_docstring() -> None:
    class Sample:
        """First line.

        Attributes:
            one, two: share a text
                of two lines.
            three: alone.
        """

    assert attributes(Sample) == {
        "one": "share a text of two lines.",
        "two": "share a text of two lines.",
        "three": "alone.",
    }
