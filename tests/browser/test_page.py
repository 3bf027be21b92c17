"""The web page in a real browser: choose a file, see progress, the table and the overlay playing."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest

from service.cli.demo import running_service
from tests.browser.chromium import chromium
from tests.support.clips import cut
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
FRAMES = 6
LONG_MS = 1000 * PATIENCE_S


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_service(tmp_path_factory.mktemp("service")) as url:
        yield url


@pytest.fixture
def page(service: str) -> Iterator["Page"]:
    """The page, opened; an error on its console fails the test."""
    problems: list[str] = []
    with chromium() as browser:
        opened = browser.new_page()
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.goto(service)
        yield opened
    assert problems == []


def text_of(page: "Page", wanted: str) -> None:
    """Wait until the progress line tells this (the page's policy forbids `wait_for_function`, which evaluates text)."""
    from playwright.sync_api import expect  # noqa: PLC0415

    expect(page.locator("#text")).to_contain_text(wanted, timeout=LONG_MS)


def test_a_video_becomes_a_table_and_an_overlay_that_plays(page: "Page", tmp_path: Path) -> None:
    clip = cut(tmp_path / "clip.mp4", FRAMES)
    page.set_input_files("#file", clip)
    text_of(page, "of 6")
    assert page.is_visible("#bar")
    page.wait_for_selector("#done", timeout=LONG_MS)
    rows = page.locator("#rows tr")
    assert page.inner_text("#summary") == f"{rows.count()} tubelets in {FRAMES} frames"
    assert rows.count() > 0
    assert "person" in rows.all_inner_texts()[0]
    page.wait_for_selector("#video", timeout=LONG_MS)
    assert not page.is_visible("#drawing")
    page.evaluate("document.getElementById('video').play()")
    while page.evaluate("document.getElementById('video').currentTime") < 0.1:
        page.wait_for_timeout(50)
    assert page.evaluate("document.getElementById('video').videoWidth") == 384
    if picture := os.environ.get("DUALTRACK_TEST_PICTURE"):
        page.screenshot(path=picture, full_page=True)
    assert not page.is_visible("#error")


def test_what_is_below_the_minimum_score_is_counted_and_not_listed(page: "Page", tmp_path: Path) -> None:
    clip, counts = cut(tmp_path / "clip.mp4", 3), []
    for least in ("0", "0.9", "1"):
        page.fill("#min_score", least)
        page.set_input_files("#file", clip)
        page.wait_for_selector("#done", state="hidden", timeout=LONG_MS)
        page.wait_for_selector("#done", timeout=LONG_MS)
        counts.append(page.locator("#rows tr").count())
        note = f"Not listed: {counts[0] - counts[-1]} with a score below the minimum score, {least}"
        assert page.is_visible("#left_out") == (least != "0")
        assert not page.is_visible("#left_out") or page.inner_text("#left_out") == note
    assert counts[0] > counts[1] >= counts[2] == 0
    assert not page.is_visible("#capped")


def test_damage_is_shown_and_gone_with_the_next_video(page: "Page", tmp_path: Path) -> None:
    whole = cut(tmp_path / "clip.mp4", 4)
    with av.open(str(whole)) as given, av.open(str(tmp_path / "v.mp4"), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    with av.open(str(tmp_path / "v.mp4")) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    broken = tmp_path / "broken.mp4"
    broken.write_bytes((tmp_path / "v.mp4").read_bytes()[: places[2]])
    page.set_input_files("#file", broken)
    page.wait_for_selector("#damage:visible", timeout=LONG_MS)
    assert page.inner_text("#damage").startswith(
        "Damaged video: the file ends early, with 2 of its 4 frames, after frame"
    )
    page.set_input_files("#file", whole)
    page.wait_for_selector("#done", state="hidden", timeout=LONG_MS)
    page.wait_for_selector("#done", timeout=LONG_MS)
    assert not page.is_visible("#damage")


def test_a_file_that_is_no_video_is_named_as_such(page: "Page", tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("This is a plain text file.")
    page.set_input_files("#file", text)
    page.wait_for_selector("#error", timeout=LONG_MS)
    assert "expected mp4/mov" in page.inner_text("#error")
    assert not page.is_visible("#done")


def test_cancel_ends_the_job_and_the_page_says_so(page: "Page", tmp_path: Path) -> None:
    clip = cut(tmp_path / "long.mp4", 48, hw=(576, 768))
    page.set_input_files("#file", clip)
    text_of(page, "detect")
    page.click("#cancel")
    page.wait_for_selector("#error", timeout=LONG_MS)
    assert "cancel" in page.inner_text("#error")


def test_a_threshold_out_of_range_is_refused_by_name(page: "Page", tmp_path: Path) -> None:
    page.evaluate("document.getElementById('th_det').value = '3'")
    page.set_input_files("#file", cut(tmp_path / "short.mp4", 3))
    page.wait_for_selector("#error", timeout=LONG_MS)
    assert "th_det" in page.inner_text("#error")
