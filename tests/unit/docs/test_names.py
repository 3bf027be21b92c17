"""What the pages name exists: commands and options, settings, parameters, endpoints, codes, series, files, targets."""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from docs.generator import http_api
from docs.generator.commands import commands, options
from docs.generator.settings import settings
from dualtrack.error_codes import CAUSES_WITHOUT_ERROR, CLASS_OF_CODE
from dualtrack.errors import DualtrackError
from evaluation.runs.parameters import parse_evaluation
from service.media.limits import VideoLimits
from service.pipeline.parameters.request_names import PRESETS, TABLE
from tests.unit.deploy.test_monitoring import series
from tests.unit.docs.pages import ROOT, blocks, inline, name_of, pages, shell_lines

ELSE = frozenset({"th_z", "max_seeds_reached"})
NOT_PARAMETERS = ("cause=", "weights_only=", "state=", "status=", "objectness=", "detections=", "detector=", "schema=")
ENDPOINT = re.compile(
    r"(?<![\w./])(?:(GET|POST|DELETE|PUT|PATCH) )?(/(?:v1/[\w{}$/-]+|livez|readyz|metrics|openapi\.json))(?:\?(\w+)=)?"
)

Names = Callable[[str], list[str]]


@cache
def known_commands() -> dict[str, set[str]]:
    """Options by the command's full name; a group alone has `--help`."""
    found: dict[str, set[str]] = {}
    for name, command in commands():
        found[name] = {"--help"} | {text for each in options(command) for text in (*each.opts, *each.secondary_opts)}
        found.setdefault(" ".join(name.split()[:2]), {"--help"})
    return found


def wrong_command(words: list[str]) -> str | None:
    """What is wrong with the words after `dualtrack`; `a|b` are alternatives."""
    if not words or not re.fullmatch(r"[a-z0-9|-]+", words[0]) or words[0].startswith("-"):
        return None
    for first in words[0].split("|"):
        name, rest = f"dualtrack {first}", words[1:]
        if name not in known_commands():
            return name
        below = {each.rsplit(" ", 1)[1] for each in known_commands() if each.startswith(f"{name} ")}
        if below and rest and re.fullmatch(r"[a-z|-]+", rest[0]) and not rest[0].startswith("-"):
            for second in rest[0].split("|"):
                if second not in below:
                    return f"{name} {second}"
            name, rest = f"{name} {rest[0].split('|')[0]}", rest[1:]
        for option in (word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)):
            if option not in known_commands()[name]:
                return f"{name} {option}"
    return None


def wrong_commands(text: str) -> list[str]:
    first_words = {name.split()[1] for name in known_commands()}
    lines = list(shell_lines(text))
    for code in inline(text):
        words = code.split()
        lines.append(["dualtrack", *words] if words[0] in first_words and len(words) > 1 and "--" in code else words)
    given = [words[1:] for words in lines if words and words[0].rsplit("/", 1)[-1] == "dualtrack"]
    return [wrong for words in given if (wrong := wrong_command(words)) is not None]


def wrong_settings(text: str) -> list[str]:
    compose = set(re.findall(r"\$\{(DUALTRACK_\w+)", (ROOT / "docker-compose.yml").read_text()))
    known = {each.variable for each in settings()} | compose
    return [name for name in re.findall(r"\bDUALTRACK_(?!TEST_)[A-Z_]*[A-Z]\b(?!…)", text) if name not in known]


def wrong_parameters(text: str) -> list[str]:
    pairs = [words[index + 1] for words in shell_lines(text) for index, word in enumerate(words[:-1]) if word == "-p"]
    for code in inline(text):
        pairs += re.findall(r"-p (\w+=\S+)", code)
        if re.fullmatch(r"[a-z_]+=[\w.]+", code) and not code.startswith(NOT_PARAMETERS):
            pairs.append(code)
    return [pair for pair in pairs if "…" not in pair and pair != "NAME=VALUE" and refused(pair)]


def refused(pair: str) -> bool:
    try:
        parse_evaluation([pair])
    except DualtrackError:
        return True
    return False


def unknown_names(text: str) -> list[str]:
    """Code that looks like a parameter."""
    known = {*TABLE, *VideoLimits.__dataclass_fields__, *ELSE}
    return [code for code in inline(text) if re.fullmatch(r"(?:th|max|lost)_[a-z_]+", code) and code not in known]


@cache
def endpoints() -> dict[str, dict[str, set[str]]]:
    """By path with `{}` for what varies: the methods, with the names of query parameters."""
    found: dict[str, dict[str, set[str]]] = {"/openapi.json": {"GET": set()}}
    for method, path, operation in http_api.operations(http_api.document()):
        query = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        found.setdefault(re.sub(r"\{\w+\}", "{}", path), {})[method] = query
    return found


def wrong_endpoints(text: str) -> list[str]:
    code = "\n".join([*inline(text), *(block.text for block in blocks(text, "sh", "python", "text", ""))])
    code = re.sub(r"\$api\b", "/v1", re.sub(r"https?://[\w.:]+(?=/)", "", code))
    wrong = []
    for method, path, query in ENDPOINT.findall(code):
        known = endpoints().get(re.sub(r"(?<=/)(\{\w+\}|\$\w+|[0-9a-f]{4,}|42)(?=/|$)", "{}", path.rstrip("/")))
        if known is None or (method and method not in known):
            wrong.append(f"{method} {path}")
        elif query and query not in set().union(*known.values()):
            wrong.append(f"{path}?{query}")
    return wrong


def wrong_paths(text: str) -> list[str]:
    top = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    top -= {"runs", "build", "dist", "site"}
    words = [word.strip("`(),.:'\"") for code in inline(text) if code.split()[0] != "kubectl" for word in code.split()]
    words += [word for line in shell_lines(text) if line[0] != "kubectl" for word in line]
    found = [
        word
        for word in words
        if re.fullmatch(r"[\w.*-]+(?:/[\w.*-]+)+/?", word) and word.split("/")[0] in top and "NNNN" not in word
    ]
    return [path for path in found if not list(ROOT.glob(path.rstrip("/")))]


def wrong_modules(text: str) -> list[str]:
    text = "\n".join([*inline(text), *(block.text for block in blocks(text, "sh"))])
    names = re.findall(r"python3? -m ((?:service|tests|training|evaluation|docker|export)(?:\.\w+)*)", text)
    paths = {name: ROOT / name.replace(".", "/") for name in names}
    return [name for name, path in paths.items() if not (path.with_suffix(".py").is_file() or path.is_dir())]


def wrong_targets(text: str) -> list[str]:
    known = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = [*inline(text), *(" ".join(words) for words in shell_lines(text))]
    named = [target for each in code for target in re.findall(r"^make ([a-z][\w-]*)", each)]
    return [target for target in named if target not in known]


def wrong_codes(text: str) -> list[str]:
    """Of tables with a column `code`."""
    return [code for code in column(text, "code") if code not in {*CLASS_OF_CODE, *CAUSES_WITHOUT_ERROR}]


def column(text: str, title: str) -> Iterator[str]:
    """The code in the cells of a column, table by table."""
    at: int | None = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")] if line.startswith("|") else []
        if not cells:
            at = None
        elif title in cells:
            at = cells.index(title)
        elif at is not None and at < len(cells):
            yield from re.findall(r"`([^`]+)`", cells[at])


CHECKS: dict[str, Names] = {
    "commands": wrong_commands,
    "settings": wrong_settings,
    "parameters": wrong_parameters,
    "parameters-alone": unknown_names,
    "endpoints": wrong_endpoints,
    "paths": wrong_paths,
    "modules": wrong_modules,
    "make-targets": wrong_targets,
    "error-codes": wrong_codes,
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_what_the_pages_name_exists(check: Names) -> None:
    wrong = {name_of(path): check(path.read_text()) for path in pages()}
    assert {name: names for name, names in wrong.items() if names} == {}


@pytest.mark.parametrize(
    ("check", "text", "expected"),
    [
        pytest.param(wrong_commands, "`dualtrack segmnt`", ["dualtrack segmnt"], id="command"),
        pytest.param(wrong_commands, "```sh\nA=1 dualtrack models lst\n```\n", ["dualtrack models lst"], id="below"),
        pytest.param(wrong_commands, "`dualtrack models list\\|shw`", ["dualtrack models shw"], id="alternative"),
        pytest.param(
            wrong_commands, "```sh\nx && bin/dualtrack tune D --grd a=1\n```\n", ["dualtrack tune --grd"], id="option"
        ),
        pytest.param(wrong_commands, "`submit --api-kye K`", ["dualtrack submit --api-kye"], id="without-dualtrack"),
        pytest.param(wrong_settings, "`DUALTRACK_PORTS`", ["DUALTRACK_PORTS"], id="setting"),
        pytest.param(wrong_parameters, "`-p th_sq=0.3`", ["th_sq=0.3"], id="parameter"),
        pytest.param(wrong_parameters, "`th_seq=3`", ["th_seq=3"], id="value-out-of-range"),
        pytest.param(unknown_names, "`th_ccc`", ["th_ccc"], id="parameter-alone"),
        pytest.param(wrong_endpoints, "`GET /v1/job/{id}`", ["GET /v1/job/{id}"], id="endpoint"),
        pytest.param(wrong_endpoints, "`PUT /v1/jobs`", ["PUT /v1/jobs"], id="method"),
        pytest.param(wrong_endpoints, '```sh\ncurl "$api/jobs/$job?wat=60"\n```\n', ["/v1/jobs/$job?wat"], id="query"),
        pytest.param(wrong_paths, "`docs/metod.md`", ["docs/metod.md"], id="path"),
        pytest.param(wrong_modules, "`python -m training.detectr`", ["training.detectr"], id="module"),
        pytest.param(wrong_targets, "```sh\nmake dmo CLIP=x\n```\n", ["dmo"], id="make-target"),
        pytest.param(wrong_codes, "| x | code |\n|---|---|\n| y | `too-lnog` |\n", ["too-lnog"], id="error-code"),
    ],
)
def test_what_does_not_exist_is_found(check: Names, text: str, expected: list[str]) -> None:
    assert check(text) == expected


def test_defaults_of_the_limits() -> None:
    text = (ROOT / "docs" / "how-to" / "limits.md").read_text()
    known = {each.variable: each.default for each in settings()}
    named = dict(re.findall(r"^\| `(DUALTRACK_\w+)` \| `([^`]+)` \|", text, re.MULTILINE))
    assert len(named) > 12
    assert named == {name: known[name] for name in named}
    assert {each.variable for each in settings() if "LIMITS__" in each.variable} <= set(named)
    rows = re.findall(r"^\| `(max_\w+)` \| (\d+) \| (\d+) \|", text, re.MULTILINE)
    assert rows == [(name, str(PRESETS["default"][name]), f"{TABLE[name].maximum:g}") for name, *_ in rows]


def test_figures_are_those_of_the_results() -> None:
    results = (ROOT / "evaluation" / "RESULTS.md").read_text()
    rows = re.findall(r"^\| `ipdt` \|(.+)\|$", results, re.MULTILINE)
    (real, rendered) = ([cell.strip(" *") for cell in row.split("|")][:2] for row in rows)
    text = " ".join((ROOT / "docs" / "how-to" / "own-data.md").read_text().split())
    assert f"clips of real video AP {real[0]} and AP50 {real[1]}" in text
    assert f"clips with crossings and occlusion AP {rendered[0]} and AP50 {rendered[1]}" in text


def test_all_series_are_described() -> None:
    text = (ROOT / "docs" / "how-to" / "metrics.md").read_text()
    named = set(re.findall(r"^\| `(dualtrack_\w+)` \|", text, re.MULTILINE))
    shown = {name for name in series() if not name.endswith("_created")}
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown} == named


@pytest.mark.parametrize("path", [path for path in pages() if blocks(path.read_text(), "json")], ids=name_of)
def test_json_can_be_read(path: Path) -> None:
    for block in blocks(path.read_text(), "json"):
        json.loads(block.text)
