"""A generated client runs a whole job on the real service, and generated models validate every answer."""

import importlib
import io
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from service.cli.demo import running_service
from tests.generators.generated import Answers, generate
from tests.support.clips import cut

pytestmark = pytest.mark.generators
KEY = "s3cret"
FRAMES = 4
QUICK = {"strategy": "greedy", "max_seeds": 2, "overlay": False}


class Generated:
    """The generated package: `models.X`, and operations by their ids."""

    def __init__(self, package: str, url: str, answers: Answers) -> None:
        self._package = package
        self.models = importlib.import_module(f"{package}.models")
        self.types = importlib.import_module(f"{package}.types")
        clients = importlib.import_module(f"{package}.client")
        options: dict[str, Any] = {"httpx_args": {"event_hooks": {"response": [answers.check]}}, "timeout": 60}
        self.client = clients.AuthenticatedClient(url, token=KEY, **options)
        self.stranger = clients.AuthenticatedClient(url, token="wrong", **options)

    def operation(self, tag: str, name: str) -> ModuleType:
        return importlib.import_module(f"{self._package}.api.{tag}.{name}")

    def call(self, tag: str, name: str, *path: str, **arguments: Any) -> Any:
        return self.operation(tag, name).sync(*path, client=self.client, **arguments)


@pytest.fixture(scope="module")
def answers_and_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Answers, Generated]]:
    with pytest.MonkeyPatch.context() as patch:
        document, package, models = generate(tmp_path_factory.mktemp("generated"), patch)
        patch.setenv("DUALTRACK_API_KEY", KEY)
        answers = Answers(document, models, [])
        with running_service(tmp_path_factory.mktemp("service")) as url:
            generated = Generated(package, url, answers)
            with generated.client, generated.stranger:
                yield answers, generated


@pytest.fixture
def answers(answers_and_client: tuple[Answers, Generated]) -> Answers:
    found = answers_and_client[0]
    found.seen.clear()
    return found


@pytest.fixture
def api(answers_and_client: tuple[Answers, Generated]) -> Generated:
    return answers_and_client[1]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return cut(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES).read_bytes()


def ended(api: Generated, job: Any) -> Any:
    while job.state in (api.models.JobState.QUEUED, api.models.JobState.RUNNING):
        job = api.call("jobs", "get_job", job.id, wait=20, version=job.version)
    return job


def test_upload_submit_wait_read(api: Generated, answers: Answers, clip: bytes) -> None:
    video = api.call("videos", "upload_video", body=api.types.File(payload=io.BytesIO(clip)))
    assert video.info.frames == FRAMES
    request = api.models.JobRequest(video_id=video.id, parameters=api.models.JobParameters.from_dict(QUICK))
    job = ended(api, api.call("jobs", "create_job", body=request))
    assert job.state == api.models.JobState.DONE, job.error
    result = api.call("results", "get_result", job.id)
    assert {(len(tubelet.segmentations), type(tubelet.category)) for tubelet in result.tubelets} == {(FRAMES, str)}
    records = api.call("results", "get_result", job.id, format_=api.models.ResultFormat.YTVIS)
    assert [record.score for record in records] == pytest.approx([item.score for item in result.tubelets], abs=1e-6)
    wanted = api.models.ArtifactRequest(kind=api.models.ArtifactKind.OVERLAY)
    artifact = api.call("results", "create_artifact", job.id, body=wanted)
    while artifact.state in (api.models.ArtifactState.WAITING, api.models.ArtifactState.RUNNING):
        (artifact,) = api.call("jobs", "get_job", job.id, wait=20, version=job.version).artifacts
    assert artifact.state == api.models.ArtifactState.DONE, artifact.error
    api.call("models", "get_models")
    api.call("service", "get_readiness")
    api.call("service", "get_liveness")
    assert {name for name, _ in answers.seen} == {
        *("upload_video", "create_job", "get_job", "get_result", "create_artifact"),
        *("get_models", "get_readiness", "get_liveness"),
    }


def test_forms_carry_the_video_and_the_parameters(api: Generated, answers: Answers, clip: bytes) -> None:
    file = api.types.File(payload=io.BytesIO(clip), file_name="clip.mp4", mime_type="video/mp4")
    video = api.call("videos", "upload_video", body=api.models.VideoForm(file=file))
    again = api.types.File(payload=io.BytesIO(clip), file_name="clip.mp4", mime_type="video/mp4")
    form = api.models.JobForm(file=again, parameters=api.models.JobParameters.from_dict({**QUICK, "th_det": 0.6}))
    job = api.call("jobs", "create_job", body=form, idempotency_key="form")
    assert (job.video_id, job.parameters["th_det"]) == (video.id, 0.6)
    early = api.call("results", "get_result", job.id)
    assert isinstance(early, api.models.Problem | api.models.Result)
    assert ended(api, api.call("jobs", "cancel_job", job.id)).state != api.models.JobState.FAILED
    api.operation("videos", "delete_video").sync_detailed(video.id, client=api.client)
    assert api.call("videos", "get_video", video.id).code == "unknown-video"
    assert ("create_job", 202) in answers.seen


def test_a_refusal_is_a_problem(api: Generated, answers: Answers) -> None:
    request = api.models.JobRequest(video_id="0" * 64, parameters=api.models.JobParameters(th_det=3.0))
    refused = api.call("jobs", "create_job", body=request)
    assert (refused.status, refused.code) == (422, "invalid-parameter")
    assert refused.errors[0].additional_properties["pointer"] == "#/parameters/th_det"
    assert api.operation("models", "get_models").sync(client=api.stranger).code == "unauthorized"
    assert answers.seen == [("create_job", 422), ("get_models", 401)]
