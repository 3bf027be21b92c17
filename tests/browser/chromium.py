"""The installed Chromium."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@contextlib.contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser for the length of the block: the one on PATH, or DUALTRACK_TEST_CHROMIUM."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (only make test-browser installs it)

    path = os.environ.get("DUALTRACK_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "no chromium on PATH: install it or set DUALTRACK_TEST_CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()
