"""What an evaluation opens leaves nothing behind, even if it was killed."""

import asyncio
from pathlib import Path

from evaluation.runs.session import open_context
from service.processes.scratch import scratch_folder
from service.settings import Settings
from tests.support.pipelines import REPOSITORY


def test_scratch_of_a_killed_evaluation_goes_with_the_next_one(tmp_path: Path) -> None:
    root = tmp_path / "scratch"
    (root / "evaluation-dead").mkdir(parents=True)
    (root / "evaluation-dead" / "frames").write_bytes(b"left behind")
    (root / "evaluation-dead.lock").touch()

    async def scratch_of_a_run() -> Path:
        async with open_context(Settings(data_dir=tmp_path, model_repository=REPOSITORY, threads=1)) as context:
            assert {path for path in root.iterdir() if path.is_dir()} == {other, context.scratch}
            return context.scratch

    with scratch_folder(root, "alive") as other:
        other.mkdir()
        own = asyncio.run(scratch_of_a_run())
        assert own.parent == root
        assert [path for path in root.iterdir() if path.is_dir()] == [other], "its own is gone, the other's stays"
