"""Links between the files of the repository, and how the site turns them into links between its pages."""

import itertools
import re
from pathlib import Path

import pytest

from docs.generator.links import Site, outside_fences, rewritten
from docs.generator.pages import ALSO, BROUGHT_IN, decisions, records
from tests.unit.docs.pages import FENCE, ROOT, name_of, tracked

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[\w.-]*)?\)")
URIS = frozenset(
    {"index.md", "method.md", "overlay.jpg", "results/index.md", "how-to/limits.md", "experiments/README.md"}
)
SITE = Site(ROOT, URIS)


def test_every_link_leads_somewhere() -> None:
    broken = {
        name_of(path): [link for link in links(path) if not (path.parent / link).exists() and not in_site(path, link)]
        for path in tracked(".md")
    }
    assert {name: found for name, found in broken.items() if found} == {}


def links(path: Path) -> list[str]:
    return [link for link in LINK.findall(FENCE.sub("", path.read_text())) if ":" not in link]


def in_site(path: Path, link: str) -> bool:
    """Pages that are made while the site is built have no file."""
    uri = (
        (path.parent / link).resolve().relative_to(ROOT / "docs").as_posix()
        if path.is_relative_to(ROOT / "docs")
        else ""
    )
    return uri in BROUGHT_IN or uri == "decisions/index.md"


def test_what_is_brought_in_exists() -> None:
    assert [origin for origin in (*BROUGHT_IN.values(), *ALSO) if not (ROOT / origin).exists()] == []


@pytest.mark.parametrize(
    ("uri", "text", "expected"),
    [
        pytest.param("index.md", "[a](method.md#x)", "[a](method.md#x)", id="beside"),
        pytest.param("how-to/limits.md", "[a](../method.md)", "[a](../method.md)", id="above"),
        pytest.param(
            "how-to/limits.md", "[a](../../evaluation/RESULTS.md)", "[a](../results/index.md)", id="brought-in"
        ),
        pytest.param("results/index.md", "[a](../docs/method.md#y)", "[a](../method.md#y)", id="from-brought-in"),
        pytest.param("results/index.md", "![a](../docs/overlay.jpg)", "![a](../overlay.jpg)", id="picture"),
        pytest.param("index.md", "[a](experiments)", "[a](experiments/README.md)", id="folder"),
        pytest.param("results/index.md", "[home](../README.md)", "[home](../index.md)", id="under-another-name"),
        pytest.param("index.md", "[run.py](../service/pipeline/run.py)", "`service/pipeline/run.py`", id="source"),
        pytest.param(
            "index.md", "[the run](../service/pipeline/run.py)", "the run (`service/pipeline/run.py`)", id="words"
        ),
        pytest.param("index.md", "[a](https://keda.sh) [b](#c)", "[a](https://keda.sh) [b](#c)", id="not-ours"),
        pytest.param("index.md", "```\n[a](nowhere)\n```\n", "```\n[a](nowhere)\n```\n", id="in-a-fence"),
    ],
)
def test_links_in_the_site(uri: str, text: str, expected: str) -> None:
    assert rewritten(text, uri, SITE) == expected


def test_a_link_to_nowhere_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"^the link gone\.md leads nowhere: docs/gone\.md does not exist$"):
        rewritten("[a](gone.md)", "index.md", SITE)


def test_text_between_fences_is_changed() -> None:
    assert outside_fences("a\n```sh\na\n```\na\n", str.upper) == "A\n```sh\na\n```\nA\n"


def test_every_decision_is_listed() -> None:
    text = decisions()
    assert len(records("decisions/")) > 30
    assert [path.name for path in records("decisions/") if f"]({path.name})" not in text] == []


def lists_without_a_blank_line(text: str) -> list[str]:
    """First items of lists that the site shows as text of the paragraph before them."""
    lines = FENCE.sub("```", text).splitlines()
    item = re.compile(r"([*-]|\d+\.) ")
    return [
        line
        for before, line in itertools.pairwise(lines)
        if item.match(line) and before.strip() and not item.match(before) and not before.startswith(("  ", "#"))
    ]


def test_lists_are_found() -> None:
    assert lists_without_a_blank_line("```sh\nx\n```\n* a\n") == ["* a"]
    assert lists_without_a_blank_line("text:\n* a\n* b\n  of two lines\n* c\n") == ["* a"]
    assert lists_without_a_blank_line("# Title\n- a\n\ntext:\n\n1. a\n2. b\n") == []


def test_every_list_has_a_blank_line_before_it() -> None:
    found = {name_of(path): lists_without_a_blank_line(path.read_text()) for path in tracked(".md")}
    assert {name: lines for name, lines in found.items() if lines} == {}
