"""The examples in the docstrings of the public package run as they are written."""

import contextlib
import doctest
import inspect
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dualtrack
from tests.integration.docs.conftest import FRAMES
from tests.integration.docs.test_pages import SERVICE
from tests.support.clips import cut

LAST = ("Job.cancel", "Client.cancel", "Client.delete_video")
"""Run after all others, because they end the job or delete its result."""


def documented() -> Iterator[tuple[str, object]]:
    """The package, and every public name with its public methods."""
    yield "dualtrack", dualtrack
    for name in dualtrack.__all__:
        value = getattr(dualtrack, name)
        yield name, value
        if inspect.isclass(value) and value.__module__.startswith("dualtrack."):
            yield from ((f"{name}.{key}", item) for key, item in vars(value).items() if not key.startswith("_"))


def examples() -> dict[str, str]:
    """The text of each docstring with an example, by name."""
    texts = {name: inspect.getdoc(getattr(item, "__func__", item)) or "" for name, item in documented()}
    return {name: text for name, text in texts.items() if "Example:" in text}


def test_every_public_class_and_function_has_an_example() -> None:
    without = {name for name, value in documented() if "." not in name and callable(value)} - examples().keys()
    assert all(issubclass(getattr(dualtrack, name), dualtrack.DualtrackError) for name in without), without


@pytest.fixture(scope="module")
def values(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The names that examples of methods use: a client, a finished job, its result, and a tubelet."""
    clip = cut(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES, hw=(576, 768))
    with dualtrack.Client(service) as client:
        job = client.submit(clip).wait()
        result = job.result()
        yield {"client": client, "job": job, "result": result, "tubelet": result.tubelets[0]}


@pytest.mark.parametrize("name", [*(name for name in examples() if name not in LAST), *LAST])
def test_an_example_runs(name: str, values: dict[str, Any], service: str, folder: Path) -> None:
    assert (folder / "clip.mp4").is_file()
    run(name, examples()[name].replace(SERVICE, service), {"dualtrack": dualtrack, **values})


def run(name: str, text: str, values: dict[str, Any]) -> None:
    """Run an example; compare its output where the example shows it."""
    for example in doctest.DocTestParser().get_examples(text, name):
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(compile(example.source, f"<{name}>", "single"), values)
        if example.want:
            assert shown.getvalue() == example.want, f"{name}: {example.source}"
