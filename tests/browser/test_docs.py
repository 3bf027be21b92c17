"""`/docs` in a real browser: every operation is shown and can be tried, and nothing is loaded from elsewhere."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from service.cli.demo import running_service
from tests.browser.chromium import chromium
from tests.support.patience import get

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_service(tmp_path_factory.mktemp("service")) as url:
        yield url


@pytest.fixture
def page(service: str) -> Iterator["Page"]:
    """The page, opened; a message on its console, a failed request or one to another host fails the test."""
    problems: list[str] = []
    requested: list[str] = []
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 1000})
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda message: problems.append(message.text))
        opened.on("requestfailed", lambda request: problems.append(request.url))
        opened.on("request", lambda request: requested.append(request.url))
        opened.goto(f"{service}/docs")
        yield opened
    assert problems == []
    assert {urlsplit(url).netloc for url in requested if not url.startswith("data:")} == {urlsplit(service).netloc}


def test_every_operation_is_shown(page: "Page", service: str) -> None:
    page.wait_for_selector(".opblock")
    shown = {block.get_attribute("id") for block in page.query_selector_all(".opblock")}
    paths = get(f"{service}/openapi.json").json()["paths"]
    wanted = {
        f"operations-{each['tags'][0]}-{each['operationId']}" for item in paths.values() for each in item.values()
    }
    assert shown == wanted
    if picture := os.environ.get("DUALTRACK_TEST_PICTURE"):
        page.screenshot(path=picture, full_page=True)


@pytest.mark.parametrize("operation", ["results-get_result", "jobs-create_job", "videos-upload_video"])
def test_an_operation_opens(page: "Page", operation: str) -> None:
    page.click(f"#operations-{operation} .opblock-summary-control")
    page.wait_for_selector(f"#operations-{operation} .responses-table")
    page.click(f"#operations-{operation} .tab button[data-name=model]")


def test_a_request_can_be_tried(page: "Page") -> None:
    page.click("#operations-models-get_models .opblock-summary-control")
    page.click("#operations-models-get_models .try-out__btn")
    page.click("#operations-models-get_models .execute")
    answer = page.wait_for_selector("#operations-models-get_models .live-responses-table .response-col_description pre")
    assert answer is not None
    assert '"release"' in answer.inner_text()
