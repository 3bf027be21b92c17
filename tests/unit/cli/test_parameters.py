"""Parameters on the command line: what is printed about them, and how names are answered."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dualtrack.deprecations import REPLACED
from dualtrack.errors import InvalidParameter
from service.cli import parameter_files
from service.cli.main import build_app
from service.cli.parameters import parse_parameters
from service.pipeline.parameters.job_parameters import JobParameters
from service.pipeline.parameters.request_names import TABLE

ROOT = Path(__file__).resolve().parents[3]


def written(path: Path, **values: object) -> Path:
    path.write_text(json.dumps(values))
    return path


def test_an_unknown_name(tmp_path: Path) -> None:
    expected = r"^parameters: unknown parameter 'th_sq'; did you mean 'th_seq'\?$"
    with pytest.raises(InvalidParameter, match=expected):
        parse_parameters(["th_sq=0.3"])
    with pytest.raises(InvalidParameter, match=expected):
        parse_parameters(None, written(tmp_path / "p.json", th_sq=0.3))


def test_an_old_name_is_reported_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_parameters(["segment_frames=20"]).chunk_frames == 20
    line = "warning: segment_frames is deprecated, use chunk_frames; the next release will reject it\n"
    out, err = capsys.readouterr()
    assert (out, err) == ("", line)
    assert parse_parameters(None, written(tmp_path / "p.json", segment_frames=20)).chunk_frames == 20
    assert capsys.readouterr().err == line
    parse_parameters(["chunk_frames=20"])
    assert not capsys.readouterr().err


def test_a_pair_goes_before_the_file_by_either_name(tmp_path: Path) -> None:
    file = written(tmp_path / "p.json", segment_frames=20, chunk_overlap=2)
    found = parse_parameters(["chunk_frames=40", "segment_overlap=4"], file)
    assert (found.chunk_frames, found.chunk_overlap) == (40, 4)


def test_both_names_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="expected either segment_frames or chunk_frames"):
        parse_parameters(["segment_frames=20", "chunk_frames=20"])
    with pytest.raises(InvalidParameter, match="expected either segment_frames or chunk_frames"):
        parse_parameters(None, written(tmp_path / "p.json", segment_frames=20, chunk_frames=20))


def test_the_list_of_parameters() -> None:
    app = build_app(["parameters"])
    rows = json.loads(CliRunner().invoke(app, ["parameters", "--json"]).stdout)
    assert [row["name"] for row in rows] == [name for name in JobParameters.model_fields if name not in REPLACED]
    by_name = {row["name"]: row for row in rows}
    th_seq, frames, overlay = by_name["th_seq"], by_name["chunk_frames"], by_name["overlay"]
    assert (th_seq["type"], th_seq["minimum"], th_seq["maximum"]) == ("number", 0, 1)
    assert (th_seq["default"], th_seq["paper"]) == (0.3, 0.5)
    assert (frames["type"], frames["minimum"], frames["maximum"], frames["default"]) == ("integer", 8, 2000, 160)
    assert by_name["strategy"]["choices"] == ["greedy", "track_and_suppress"]
    assert by_name["lost_max_frames"]["maximum"] is None
    assert (overlay["type"], overlay["default"]) == ("boolean", True)
    table = CliRunner().invoke(app, ["parameters"], env={"COLUMNS": "200"}).stdout
    assert all(name in table for name in by_name)


@pytest.mark.parametrize("command", ["segment", "submit"])
def test_the_help_says_where_parameters_are_listed(command: str) -> None:
    text = CliRunner().invoke(build_app([command]), [command, "--help"], env={"COLUMNS": "200"}).stdout
    assert "dualtrack parameters" in text


@pytest.mark.parametrize("path", parameter_files.FILES)
def test_what_is_generated_is_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text() == parameter_files.FILES[path](), "run: python -m service.cli.parameter_files"


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("th_det=0.25", 0.25),
        ("th_det=.25", 0.25),
        ("th_det=1", 1),
        ("max_seeds=7", 7),
        ("overlay=false", False),
        ("overlay=False", False),
        ("overlay_min_score=1e-1", 0.1),
        ("categories=ytvis2019", "ytvis2019"),
        ('categories=["person"]', ("person",)),
    ],
)
def test_a_value_on_the_command_line_has_the_type_of_its_parameter(pair: str, value: object) -> None:
    assert getattr(parse_parameters([pair]), pair.partition("=")[0]) == value


def test_files_of_windows_editors_are_read(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.json" for name in ("parameters", "categories")}
    files["parameters"].write_text('{"th_det": 0.4}', encoding="utf-8-sig")
    files["categories"].write_text('["person"]', encoding="utf-8-sig")
    parsed = parse_parameters(None, files["parameters"], categories=str(files["categories"]))
    assert (parsed.th_det, parsed.categories) == (0.4, ("person",))  # type: ignore[attr-defined]


def test_every_parameter_of_the_method_has_a_link_to_its_section() -> None:
    sections = parameter_files.method_sections()
    assert set(sections) == set(TABLE)
    assert sections["th_cc"] == "[3](method.md#3-class-calibration)"
    assert sections["couple"] == "[5.4](method.md#54-fusion)"
