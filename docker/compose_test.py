"""`make compose-test`: build the images, start the whole stack, use it, kill parts of it, take it down.

Needs docker with its compose plugin, or podman with podman-compose. With --stand-ins the base images are built locally
(docker/stand_ins.py) instead of pulled. DUALTRACK_BUILD_OPTIONS adds options to every build.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from docker.engine import ROOT, ContainerEngine, Project, engines
from docker.stand_ins import make_stand_ins
from dualtrack import Client, DualtrackError, Job, Tubelet, Unauthorized
from tests.support.ports import free_ports

SERVICE, TRITON = "dualtrack/service:0.4.0", "dualtrack/triton:0.4.0"
LARGEST = 600_000_000
"""Maximum size of the service's image in bytes, including its base."""
CLIP = ROOT / "demo" / "pedestrians.mp4"
SURE = {"th_det": 0.35}
"""Parameters of the jobs: confident detections only, so that they are short."""
WORKERS = 2
START_S, JOB_S = 240.0, 600.0
SERVICES = {"valkey": 1, "prometheus": 1, "api": 1, "triton": 1, "worker": WORKERS}
SHM = "/dev/shm"  # noqa: S108 (the only location of POSIX shared memory)


class Missed(Exception):
    """The stack did not behave as expected."""


def say(text: str) -> None:
    """Print one line, with the time."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def expect(truth: object, text: str) -> None:
    """Report a check that passed.

    Raises:
        Missed: it failed.
    """
    if not truth:
        raise Missed(text)
    say(f"ok    {text}")


def until(question: Callable[[], object], text: str, seconds: float) -> None:
    """Poll until `question` returns a true value.

    Raises:
        Missed: it did not within `seconds`.
    """
    start = time.monotonic()
    while not question():
        if time.monotonic() - start > seconds:
            raise Missed(f"{text}: not within {seconds:g} s")
        time.sleep(1)
    say(f"ok    {text} (after {time.monotonic() - start:.0f} s)")


def build_images(engine: ContainerEngine, chosen: Mapping[str, str]) -> None:
    """Build both images, on the base images in `chosen`, if any."""
    for dockerfile, tag, argument in (
        ("docker/Dockerfile.service", SERVICE, "PYTHON_IMAGE"),
        ("docker/Dockerfile.triton", TRITON, "TRITON_IMAGE"),
    ):
        base = chosen.get(f"DUALTRACK_{argument}")
        engine.build(dockerfile, tag, {} if base is None else {argument: base})


def look_at_image(engine: ContainerEngine) -> None:
    """Check the image's size, user, health check, labels and content."""
    image = engine.image(SERVICE)
    expect(image["Size"] <= LARGEST, f"{SERVICE} has {image['Size'] / 1e6:.0f} MB, at most {LARGEST / 1e6:.0f}")
    expect(image["Config"]["User"] == "1000:1000", "its user is 1000:1000")
    expect(image["Config"]["Labels"]["org.opencontainers.image.version"], "it has labels")
    expect(image["Config"].get("Healthcheck") or image.get("Healthcheck"), "it has a HEALTHCHECK")
    expect("ORT_DISABLE_TELEMETRY=1" in image["Config"]["Env"], "onnxruntime sends no telemetry")
    inside = ("run", "--rm", "--network=none", "--read-only", SERVICE)
    tools = engine.run(*inside, "sh", "-c", "command -v cc gcc c++ as ld make pip git; true").split()
    expect(not tools, f"no compiler, pip or git in it: {tools}")
    sbom = json.loads(engine.run(*inside, "cat", "/usr/share/doc/dualtrack/sbom.cdx.json"))
    names = {component["name"] for component in sbom["components"]}
    expect(
        {"dualtrack", "numpy", "onnxruntime"} <= names, f"its SBOM ({sbom['bomFormat']}) lists {len(names)} packages"
    )
    licenses = engine.run(*inside, "cat", "/usr/share/doc/dualtrack/licenses.md")
    expect("| numpy " in licenses, f"its list of licenses has {licenses.count(chr(10))} lines")


class Stack:
    """The stack as seen by its users."""

    def __init__(self, project: Project, url: str, metrics_url: str, key: str) -> None:
        self.project, self.url, self.metrics_url, self.key = project, url, metrics_url, key
        self.client = Client(url, api_key=key)

    def up(self) -> None:
        """Start the stack, then wait until everything is ready."""
        self.project.compose("up", "--detach", "--no-build")
        for service, count in SERVICES.items():
            until(
                lambda service=service, count=count: len(self.project.containers(service)) == count,
                f"{count} × {service} runs",
                START_S,
            )
        for service in SERVICES.keys() - {"worker"}:
            (container,) = self.project.containers(service)
            until(lambda container=container: self.project.healthy(container), f"{service} is healthy", START_S)
        until(self.ready, "the service is ready", START_S)

    def ready(self) -> bool:
        """Whether /readyz reports ready."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=5).is_success
        return False

    def start(self) -> Job:
        """POST the clip."""
        job = self.client.submit(CLIP, **SURE)
        say(f"      POST {CLIP.name}: job {job.id}")
        return job

    def finish(self, job: Job) -> Sequence[Tubelet]:
        """Wait until the job ends; returns its tubelets."""
        ended = self.client.wait(job, timeout_s=JOB_S)
        expect(ended.state == "done", f"job {job.id} is done in attempt {ended.attempt} ({ended.error or 'no error'})")
        return ended.result().tubelets

    def in_the_middle(self, job: Job) -> Job:
        """Wait until the job is running, but far from its end; returns it."""
        now = job

        def under_way() -> bool:
            nonlocal now
            now = self.client.job(job)
            return now.ended or (now.progress is not None and now.progress.fraction > 0.05)

        until(under_way, f"job {job.id} is running", JOB_S)
        expect(not now.ended, f"it is at {now.progress.fraction:.0%} of {now.progress.stage}" if now.progress else "")
        return now

    def forget(self, job: Job) -> None:
        """Delete the video and everything cached for it, so that the next job computes everything again."""
        self.client.delete_video(job.video_id)

    def results(self, job: Job) -> list[str]:
        """Result folders of the job on the volume."""
        (api,) = self.project.containers("api")
        return self.project.execute(api, "ls", f"/data/blobs/results/{job.id}").split()

    def counted(self, query: str) -> float:
        """The sum of a Prometheus query's values; 0 if there are none."""
        answer = httpx.get(f"{self.metrics_url}/api/v1/query", params={"query": query}, timeout=5).json()
        return sum(float(series["value"][1]) for series in answer["data"]["result"])


def look_at_containers(stack: Stack) -> None:
    """Check users, root file systems and keys."""
    for service in ("api", "worker", "triton"):
        container = stack.project.containers(service)[0]
        user = stack.project.execute(container, "id", "-u").strip()
        writable = stack.project.engine.succeeds("exec", container, "touch", "/probe")
        expect(user != "0" and not writable, f"{service}: user {user}, its root file system is read-only")
    try:
        Client(stack.url).models()
    except Unauthorized:
        say("ok    without the API key the API responds with 401")
    else:
        raise Missed("the API accepts requests without its key")


def use(stack: Stack) -> tuple[Job, Sequence[Tubelet]]:
    """Run a job through Triton; returns it and its tubelets."""
    job = stack.start()
    tubelets = stack.finish(job)
    expect(tubelets, f"{len(tubelets)} tubelets: {sorted({tubelet.category for tubelet in tubelets})}")
    until(lambda: stack.counted("nv_inference_count") > 0, "Prometheus counts Triton's inferences", 60)
    until(lambda: stack.counted("dualtrack_state_up") > 0, "Prometheus reports that Valkey is up", 60)
    return job, tubelets


def kill_worker(stack: Stack, before: Job, wanted: Sequence[Tubelet]) -> None:
    """Kill the worker that runs a job; another one finishes it, with one result."""
    stack.forget(before)
    job = stack.start()
    stack.in_the_middle(job)
    (victim,) = [each for each in stack.project.containers("worker") if job.id in stack.project.logs(each)]
    stack.project.engine.run("kill", "--signal=KILL", victim)
    say(f"      killed the worker {victim[:12]} that runs it")
    tubelets = stack.finish(job)
    expect(stack.client.job(job).attempt > 1, "another worker has taken it")
    expect(tubelets == wanted, "its tubelets are those of the undisturbed job")
    expect(len(stack.results(job)) == 1, "there is one result")
    stack.project.engine.run("start", victim)
    stack.forget(job)


def kill_triton(stack: Stack, wanted: Sequence[Tubelet]) -> Job:
    """Kill Triton during a job; after its restart the job ends, with one result. Returns the job."""
    job = stack.start()
    stack.in_the_middle(job)
    (triton,) = stack.project.containers("triton")
    stack.project.engine.run("kill", "--signal=KILL", triton)
    say(f"      killed Triton, {triton[:12]}")
    until(lambda: not stack.ready(), "the service reports that it is not ready", 60)
    stack.project.engine.run("start", triton)
    tubelets = stack.finish(job)
    expect(tubelets == wanted, "its tubelets are those of the undisturbed job")
    expect(len(stack.results(job)) == 1, "there is one result")
    return job


def down_and_up(stack: Stack, job: Job, wanted: Sequence[Tubelet]) -> None:
    """Stopping the stack keeps the data."""
    stack.project.compose("down")
    expect(not stack.project.containers(stopped=True), "down: no container is left")
    expect(not stack.project.networks(), "down: no network is left")
    expect(stack.project.volumes(), f"down: the volumes stay: {stack.project.volumes()}")
    stack.up()
    expect(stack.client.result(job).tubelets == wanted, "after down and up the result is still there")


def nothing_left(project: Project, before: set[str]) -> None:
    """Check that no container, network, volume or file of the project is left."""
    expect(not project.containers(stopped=True), "no container is left")
    expect(not project.networks(), "no network is left")
    expect(not project.volumes(), "no volume is left")
    expect(files() <= before, "no file is left in the host's shared memory")


def files() -> set[str]:
    """Regions in the host's shared memory."""
    return {path.name for path in Path(SHM).glob("dualtrack-*")}


@contextlib.contextmanager
def stack_of(engine: ContainerEngine, chosen: Mapping[str, str]) -> Iterator[Stack]:
    """A stack with its own project name, not started yet; everything is removed at the end."""
    name, before = f"dualtrack-test-{uuid.uuid4().hex[:6]}", files()
    port, metrics_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        subprocess.run(["sh", "docker/secrets.sh", folder], cwd=ROOT, check=True)
        environment = {
            **chosen,
            "DUALTRACK_SECRETS": folder,
            "DUALTRACK_PORT": str(port),
            "DUALTRACK_PROMETHEUS_PORT": str(metrics_port),
            "DUALTRACK_WORKERS": str(WORKERS),
        }
        project = Project(engine, name, "cpu", environment)
        urls = (f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics_port}")
        stack = Stack(project, *urls, (Path(folder) / "api_key").read_text())
        try:
            yield stack
        except BaseException:
            tell(project)
            raise
        finally:
            stack.client.close()
            project.compose("down", "--volumes")
    nothing_left(project, before)
    expect(not Path(folder).exists(), "the folder of the secrets is gone")


def tell(project: Project) -> None:
    """Print the end of every container's log."""
    for container in project.containers(stopped=True):
        state = project.engine.run("inspect", "--format", "{{.Name}} {{.State.Status}}", container).strip()
        print(f"--- {state}\n{project.logs(container)[-3000:]}", flush=True)


def test(engine: ContainerEngine, *, stand_ins: bool, build: bool) -> None:
    """Run all checks, in order."""
    chosen = make_stand_ins(engine) if stand_ins else {}
    if build:
        build_images(engine, chosen)
    look_at_image(engine)
    with stack_of(engine, chosen) as stack:
        stack.up()
        look_at_containers(stack)
        job, wanted = use(stack)
        kill_worker(stack, job, wanted)
        job = kill_triton(stack, wanted)
        down_and_up(stack, job, wanted)


def main() -> int:
    """Exit code 0 if all checks passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--engine", choices=["docker", "podman"], help="Container engine; default: the first one available."
    )
    parser.add_argument("--stand-ins", action="store_true", help="Build base images locally instead of pulling them.")
    parser.add_argument("--no-build", dest="build", action="store_false", help="Use existing images.")
    options = parser.parse_args()
    # on SIGTERM, still take the stack down
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found = [engine for engine in engines() if options.engine in {None, engine.name}]
    if not found:
        say(f"fails {options.engine or 'neither podman nor docker'}: no engine answers")
        return 1
    say(f"      engine: {found[0].run('--version').strip()}, stand-in base images: {options.stand_ins}")
    try:
        test(found[0], stand_ins=options.stand_ins, build=options.build)
    except (Missed, DualtrackError, RuntimeError, subprocess.CalledProcessError) as error:
        say(f"fails {error}")
        return 1
    say("compose-test: all checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
