"""A new release joins a running server: who runs goes on with the old one, who starts takes the new one."""

import asyncio
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dualtrack.errors import ConfigurationError
from export.repository.publish import publish
from service.inference.open import open_client
from service.inference.repository.manifest import Manifest, load_manifest, load_releases
from service.inference.specs import graph_specs
from service.inference.triton.health import releases_alive
from service.pipeline.networks import Networks
from service.worker.current_networks import CurrentNetworks
from tests.contract.inference.backends import Sizes, inputs_for
from tests.support.patience import PATIENCE_S
from tests.support.pipelines import REPOSITORY
from tests.triton.server import triton

pytestmark = pytest.mark.triton

SPEC = graph_specs(load_manifest(REPOSITORY).dims)["siamese_rpn_template"]


def another_release(folder: Path, name: str) -> Path:
    """The bundled graphs under another name."""
    release = Path(shutil.copytree(REPOSITORY, folder))
    document = json.loads((release / "manifest.json").read_text())
    (release / "manifest.json").write_text(json.dumps({**document, "release": name}))
    return release


def open_on(repository: Path, url: str):
    return open_client(load_manifest(repository), triton_url=url, providers=(), threads=1, deadline_s=PATIENCE_S)


def test_running_jobs_keep_the_old_release_and_new_ones_take_the_new(tmp_path: Path, triton_python: Path) -> None:
    served = Path(shutil.copytree(REPOSITORY, tmp_path / "served"))
    release, inputs = another_release(tmp_path / "release", "lite-4"), inputs_for(SPEC, Sizes())
    options = ("--model-control-mode=explicit", "--load-model=*")

    async def work(url: str) -> None:
        old = await open_on(served, url)

        async def networks(manifest: Manifest) -> Networks:
            return Networks(await open_on(served, url), manifest)

        first = await networks(load_manifest(served))
        async with CurrentNetworks(served, first, networks) as engine:
            before = await old.infer(SPEC, inputs)
            assert publish(release, served) == 2
            with pytest.raises(ConfigurationError, match="model mask_rcnn: expected version 2 on Triton"):
                await open_on(served, url)
            assert (await engine.renewed()).manifest.number == 1  # the server has not loaded the new one
            assert await releases_alive(url, load_releases(served)) is True  # jobs go on with the old one
            assert await releases_alive(url, load_releases(served)[:1]) is not True
            raw = old._inner._inner._inner._client
            loading = asyncio.gather(*(raw.load_model(name) for name in load_manifest(served).graphs))
            calls = 0
            while not loading.done() or not calls:
                np.testing.assert_array_equal((await old.infer(SPEC, inputs))["templates"], before["templates"])
                calls += 1
            await loading
            new = await open_on(served, url)
            await new.infer(SPEC, inputs)
            await old.infer(SPEC, inputs)
            counted = {
                item.version: item.inference_count
                for item in (await raw.get_inference_statistics(SPEC.name)).model_stats
            }
            assert counted["2"] == 1
            assert (await engine.renewed()).manifest.number == 2
            assert await releases_alive(url, load_releases(served)[:1]) is True
        await first.client.close()
        await new.close()
        await old.close()

    with triton(served, tmp_path / "home", triton_python, options=options) as server:
        asyncio.run(work(server.grpc_url))
    old, new = load_releases(served)[::-1]
    assert (old.number, new.number, new.release) == (1, 2, "lite-4")
    assert old.identity != new.identity
    document = json.loads((release / "manifest.json").read_text())
    document["dims"]["bank"] = 7
    (release / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match="expected the dims"):
        publish(release, served)


def test_only_the_last_two_releases_stay(tmp_path: Path) -> None:
    served = Path(shutil.copytree(REPOSITORY, tmp_path / "served"))
    for number, name in ((2, "lite-4"), (3, "lite-5")):
        assert publish(another_release(tmp_path / name, name), served) == number
    assert [release.number for release in load_releases(served)] == [3, 2]
    assert not (served / "siamese_rpn" / "1").exists()
    assert "dualtrack_sha256_1" not in (served / "siamese_rpn" / "config.pbtxt").read_text()
