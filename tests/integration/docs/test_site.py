"""The documentation site: it builds without a warning, its links lead somewhere, and it takes nothing from another host."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

import dualtrack
from dualtrack.error_codes import CLASS_OF_CODE
from service.pipeline.parameters.request_names import TABLE
from tests.unit.docs.pages import ROOT

pytestmark = pytest.mark.docs
VARIABLE = "DUALTRACK_TEST_DOCS_PYTHON"
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""What a browser fetches with the page; a link in the text may lead anywhere."""


class Page(HTMLParser):
    """Addresses and ids of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: set[str] = set()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := given.get(name))}
        if address := given.get(FETCHED.get(tag, "")):
            self.fetched.add(address)
        if tag == "a" and (address := given.get("href")):
            self.links.add(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    python = Path(os.environ.get(VARIABLE, ".venv-docs/bin/python")).absolute()
    if not python.is_file():
        if VARIABLE in os.environ:
            pytest.fail(f"{VARIABLE}: no such file: {python}")
        pytest.skip(f"needs the environment of the site at {python}: run `make test-docs`")
    folder = tmp_path_factory.mktemp("site")
    command = [str(python), "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "DUALTRACK_API_KEY": "must-not-appear"}
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^(?:WARNING|ERROR).*", done.stderr, re.MULTILINE) == []
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_nothing_comes_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    foreign = {address for page in pages.values() for address in page.fetched if re.match(r"(?:\w+:)?//", address)}
    styles = [path.read_text() for path in site.rglob("*.css")]
    foreign |= {url for text in styles for url in re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^)\"']+)", text)}
    assert foreign == set()
    assert len(styles) > 1


def test_every_address_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert sorted(set(broken(site, pages))) == []


def broken(site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    for path, page in pages.items():
        if path.name == "404.html":  # served at any address, so its own start at the site's root
            continue
        for address in page.links | page.fetched:
            if re.match(r"\w+:", address):
                continue
            place, fragment = urldefrag(address)
            target = (path.parent / unquote(place)).resolve() if place else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file() or (fragment and target in pages and unquote(fragment) not in pages[target].ids):
                yield f"{path.relative_to(site)}: {address}"


def test_reference_pages_are_complete(site: Path) -> None:
    names = {
        "parameters.html": set(TABLE),
        "reference/errors.html": set(CLASS_OF_CODE),
        "reference/settings.html": {"DUALTRACK_MAX_QUEUE", "DUALTRACK_LIMITS__MAX_FRAMES"},
        "reference/python.html": {"dualtrack.Client.submit", "dualtrack.Tubelet.mask", "dualtrack.segment"},
        "reference/cli.html": {"--no-overlay", "dualtrack models import"},
        "reference/http.html": {"/v1/jobs/{job_id}/result", "JobRequest"},
        "reference/result.html": {"track_boxes", "max_seeds_reached"},
    }
    texts = {page: (site / page).read_text() for page in names}
    missing = {page: {name for name in wanted if name not in texts[page]} for page, wanted in names.items()}
    assert {page: absent for page, absent in missing.items() if absent} == {}


def test_everything_public_is_in_the_python_reference(pages: dict[Path, Page], site: Path) -> None:
    ids = pages[site / "reference" / "python.html"].ids
    known = ids | {name.replace("dualtrack.errors.", "dualtrack.") for name in ids}
    assert [name for name in dualtrack.__all__ if f"dualtrack.{name}" not in known and name != "__version__"] == []


def test_formulas_are_drawn_without_a_script(site: Path) -> None:
    text = (site / "method.html").read_text()
    assert text.count("<math") > 100
    assert "arithmatex" not in text


def test_the_search_knows_the_pages_and_works_from_a_folder(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())
    assert {"method.html", "reference/cli.html"} <= {entry["location"] for entry in index["docs"]}
    assert (site / "search" / "search_index.js").is_file()
    assert 'src="assets/iframe-worker.js"' in (site / "index.html").read_text()


def test_nothing_of_this_machine_is_in_it(site: Path) -> None:
    texts = {path.relative_to(site): path.read_text() for path in site.rglob("*.html")}
    private = (str(Path.home()), str(ROOT), "must-not-appear")
    assert {path for path, text in texts.items() if any(word in text for word in private)} == set()
