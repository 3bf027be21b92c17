"""The examples in the docstrings of the public package run as they are written."""

import contextlib
import doctest
import inspect
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dualtrack
from tests.integration.docs.test_pages import SERVICE

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


def test_the_examples_run(service: str, folder: Path) -> None:
    assert (folder / "clip.mp4").is_file()
    texts = examples()
    with dualtrack.Client(service) as client:
        result = dualtrack.segment("clip.mp4")
        job = client.submit("clip.mp4").wait()
        values: dict[str, Any] = {"dualtrack": dualtrack, "client": client, "job": job, "result": result}
        values["tubelet"] = result.tubelets[0]
        for name in (*(name for name in texts if name not in LAST), *LAST):
            run(name, texts[name].replace(SERVICE, service), dict(values))


def run(name: str, text: str, values: dict[str, Any]) -> None:
    """Run an example; compare its output where the example shows it."""
    for example in doctest.DocTestParser().get_examples(text, name):
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(compile(example.source, f"<{name}>", "single"), values)
        if example.want:
            assert shown.getvalue() == example.want, f"{name}: {example.source}"
