"""`/docs` works offline: everything that the page loads is served here, under a policy without inline scripts."""

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest

from tests.integration.api.api_service import Api, problem, running
from tests.support.patience import get

MEDIA_TYPES = {"js": "text/javascript", "css": "text/css", "png": "image/png"}


class Loads(HTMLParser):
    """What a page loads, and what it has inline."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names += [value for name in ("src", "href") if (value := given.get(name))]
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in given) else []
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("docs"), api_key="s3cret") as api:
        yield api


def test_every_file_of_the_page_is_served_here(api: Api) -> None:
    page = get(f"{api.url}/docs")
    assert page.headers["content-type"].startswith("text/html")
    loads = Loads()
    loads.feed(page.text)
    assert loads.inline == []
    assert {name.rpartition("/")[2] for name in loads.names} >= {"swagger-ui-bundle.js", "swagger-ui.css", "docs.js"}
    for name in loads.names:
        assert "//" not in name
        file = get(urljoin(str(page.url), name))
        assert file.status_code == 200, name
        assert file.headers["content-type"].split(";")[0] == MEDIA_TYPES[name.rpartition(".")[2]]
        assert file.headers["x-content-type-options"] == "nosniff"
        assert len(file.content) > 100


def test_the_policy_allows_own_files_only(api: Api) -> None:
    policy = get(f"{api.url}/docs").headers["content-security-policy"]
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    sources = {source for given in rules.values() for source in given.split()}
    assert sources == {"'none'", "'self'", "data:"}
    assert [name for name, given in rules.items() if "data:" in given] == ["img-src"]


def test_the_page_reads_the_document_of_this_service(api: Api) -> None:
    script = get(f"{api.url}/docs/docs.js").text
    assert 'url: "openapi.json"' in script
    assert "validatorUrl: null" in script  # the default calls another host, but not from a page of localhost
    assert get(f"{api.url}/openapi.json").headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", ["nothing.js", "__init__.py", "..%2fmain.py", "oauth2-redirect"])
def test_no_other_file_is_served(api: Api, name: str) -> None:
    problem(get(f"{api.url}/docs/{name}"), 404, "not-found")
