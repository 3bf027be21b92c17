"""How images are built, with programs in place of podman and docker that write down what they are called with."""

from pathlib import Path

import pytest

from docker.engine import ContainerEngine


@pytest.mark.parametrize(("name", "wanted"), [("podman", ["--format", "docker"]), ("docker", [])])
def test_podman_builds_images_that_have_a_health_check(
    name: str, wanted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / name
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\n')
    program.chmod(0o755)
    monkeypatch.setenv("DUALTRACK_BUILD_OPTIONS", "--network host")
    ContainerEngine(str(program)).build("docker/Dockerfile.service", "tag", {"A": "b"})
    words = (tmp_path / "words").read_text().split()
    assert words[: len(wanted) + 3] == ["build", *wanted, "--network", "host"]
