"""What tests of several folders share: one real Triton per repository and session."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.triton.server import Triton, triton

# an example may take its time: a busy machine is not a fault of the code
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

TRITON_PYTHON = "DUALTRACK_TEST_TRITON_PYTHON"


@pytest.fixture(scope="session")
def triton_python() -> Path:
    """Interpreter of the environment that `make test-triton` builds; absent, it is an error where it was asked for."""
    python = Path(os.environ.get(TRITON_PYTHON, ".venv-triton/bin/python")).absolute()
    if not python.is_file():
        if TRITON_PYTHON in os.environ:
            pytest.fail(f"{TRITON_PYTHON}: no such file: {python}")
        pytest.skip(f"needs Triton's environment at {python}: run `make test-triton`")
    return python


@pytest.fixture(scope="session")
def triton_server(triton_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Triton]]:
    """Call it with a repository: the running server on it, started at the first call."""
    running: dict[Path, Triton] = {}
    with contextlib.ExitStack() as stack:

        def serve(repository: Path) -> Triton:
            if repository not in running:
                home = tmp_path_factory.mktemp("triton")
                running[repository] = stack.enter_context(triton(repository, home, triton_python))
            return running[repository]

        yield serve
