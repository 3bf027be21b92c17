"""The backup of docs/operations.md, taken while the service runs: what was done is there again, what waited is done."""

import shutil
from pathlib import Path

from redis import Redis

from service.state.job import JobState
from tests.integration.api.api_service import Api, running
from tests.integration.worker.test_worker import Bench, ended
from tests.support.patience import get, wait_for


def back_up(api: Api, source: Path, target: Path) -> None:
    """Valkey first, then the files: so all that the state knows of is among them."""
    with Redis(unix_socket_path=str(api.valkey.socket), decode_responses=True) as redis:
        redis.config_set("auto-aof-rewrite-percentage", "0")
        wait_for(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])
        # everysec: what was answered is in the file a second later; one write more, and all before it are
        redis.set("dualtrack:backup", "1", ex=60)
        assert redis.waitaof(1, 0, 0)[0] == 1
        shutil.copytree(source / "appendonlydir", target / "appendonlydir")
        redis.config_set("auto-aof-rewrite-percentage", "100")
    shutil.copytree(source / "blobs", target / "blobs")


def test_a_backup_of_the_running_service(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    with running(before) as api:
        bench = Bench(api, before)
        worker = bench.start_worker()
        try:
            done = bench.submit("ok 2")
            bench.until(done, ended)
        finally:
            worker.kill()
            worker.wait()
        waiting = bench.submit("ok 2")
        back_up(api, before, after)
    shutil.rmtree(before)
    with running(after) as api:
        bench = Bench(api, after)
        assert get(f"{api.url}/v1/jobs/{done}/result", trust_env=False).json()["tubelets"] == []
        assert bench.job(waiting).state is JobState.QUEUED
        worker = bench.start_worker()
        try:
            assert bench.until(waiting, ended).state is JobState.DONE
        finally:
            worker.kill()
            worker.wait()
