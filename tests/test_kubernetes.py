"""infra/kubernetes and infra/pools: what goes to a cluster fits its schemas, runs as nobody, has the time to save."""

import asyncio
import copy
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import kubernetes_validate
import pytest
import yaml
from docker.types import HostConfig
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_docker.worker import DockerWorkerJobConfiguration
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from flows import pools
from infra.stack import Stack
from tasks.core.process import PATIENCE
from tests.cluster import check

FOLDER = Path(__file__).resolve().parents[1] / "infra" / "kubernetes"
MANIFESTS = ("namespace.yaml", "network-policy.yaml")
VALUES = ("server-values.yaml", "worker-values.yaml")
TOKENS = ("password", "token", "authString", "connection-string", "apiKey")


@pytest.fixture(autouse=True)
def server(stack: Stack) -> Iterator[None]:
    """What a template names, such as blocks, is looked up there."""
    with temporary_settings({PREFECT_API_URL: stack.api_url}):
        yield


def manifests() -> list[dict[str, Any]]:
    return [one for name in MANIFESTS for one in yaml.safe_load_all((FOLDER / name).read_text())]


def job(**variables: Any) -> dict[str, Any]:
    """The manifest that Prefect's worker sends to the cluster for one run."""
    made = asyncio.run(
        KubernetesWorkerJobConfiguration.from_template_and_values(
            pools.template("kubernetes"), {**pools.job_variables("registry.example/ours:1", 60), **variables}
        )
    )
    run = FlowRun(id=uuid4(), flow_id=uuid4(), name="quick-fox")
    made.prepare_for_flow_run(run)
    found: dict[str, Any] = made.job_manifest
    for odd in ("parallelism", "completions"):  # Prefect wants them where Kubernetes, which ignores them, does not
        del found["spec"]["template"]["spec"][odd]
    return found


def test_the_manifests_fit_the_schemas_of_kubernetes() -> None:
    kinds = [one["kind"] for one in manifests()]
    assert kinds == ["Namespace", "ServiceAccount", "ConfigMap", *["NetworkPolicy"] * 5]
    for manifest in manifests():
        check(manifest)
        assert manifest["metadata"].get("namespace", manifest["metadata"]["name"]) == "glueflow"


def test_a_manifest_that_is_off_is_found() -> None:
    for manifest in manifests():
        spoilt = copy.deepcopy(manifest)
        spoilt["spce"] = {}
        with pytest.raises(kubernetes_validate.ValidationError):
            check(spoilt)
    policy = copy.deepcopy(manifests()[-1])
    policy["spec"]["egress"][0]["ports"][0]["port"] = {"number": 4200}
    with pytest.raises(kubernetes_validate.ValidationError):
        check(policy)


def test_nobody_talks_to_nobody_unless_a_policy_says_so() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in manifests() if one["kind"] == "NetworkPolicy"}
    assert policies["nobody-by-default"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert [name for name, spec in policies.items() if "ingress" in spec] == ["server"]
    label = job()["spec"]["template"]["metadata"]["labels"]
    assert policies["run"]["podSelector"]["matchLabels"].items() <= label.items()


def test_the_job_of_a_run_fits_the_schema() -> None:
    found = job(gpus=2, memory="64Gi", grace_seconds=90, node_selector={"pool": "gpu"})
    check(found)
    pod = found["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "registry.example/ours:1"
    assert container["args"] == ["prefect", "flow-run", "execute"]
    assert container["resources"]["limits"] == {"memory": "64Gi", "ephemeral-storage": "30Gi", "nvidia.com/gpu": 2}
    assert pod["terminationGracePeriodSeconds"] == 90
    assert pod["nodeSelector"] == {"pool": "gpu"}
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "60"
    assert environment["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"] == "reschedule"


def test_a_run_is_nobody_and_has_the_time_to_save() -> None:
    pod = job()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert pod["terminationGracePeriodSeconds"] >= 2 * PATIENCE
    assert pools.template("kubernetes")["variables"]["properties"]["grace_seconds"]["minimum"] >= 2 * PATIENCE
    assert [source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source] == [
        "glueflow-store"
    ]


def test_a_job_that_is_off_is_found() -> None:
    for changes in ({"gpus": {"many": 1}}, {"grace_seconds": "long"}, {"node_selector": ["x"]}):
        with pytest.raises(kubernetes_validate.ValidationError):
            check(job(**changes))


@pytest.mark.parametrize("name", VALUES)
def test_values_hold_no_secret_and_nobody_is_root(name: str) -> None:
    """Prefect's charts are not at hand: that these values are theirs was read in them, and is not checked here."""
    text = (FOLDER / name).read_text()
    found = yaml.safe_load(text)
    part = found["server" if name.startswith("server") else "worker"]
    assert part["podSecurityContext"]["runAsNonRoot"] is True
    assert part["containerSecurityContext"]["readOnlyRootFilesystem"] is True
    login = part.get("basicAuth") or part["selfHostedServerApiConfig"]["basicAuth"]
    assert login == {"enabled": True, "existingSecret": "glueflow-login"}
    leaves = list(_leaves(found))
    assert not [path for path, _ in leaves if path[-1] in TOKENS]
    (tag,) = [value for path, value in leaves if path[-1] == "prefectTag"]
    assert tag.startswith(f"{version('prefect')}-python3.11")  # as the client's


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
    else:
        for key, inner in items:
            yield from _leaves(inner, (*path, str(key)))


def test_the_container_of_a_run_is_as_closed() -> None:
    made = asyncio.run(
        DockerWorkerJobConfiguration.from_template_and_values(
            pools.template("docker"),
            {
                **pools.job_variables("ours:1", 60),
                "gpus": [{"Driver": "nvidia", "Count": 1, "Capabilities": [["gpu"]]}],
            },
        )
    )
    made.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4(), name="quick-fox"))
    assert (made.image, made.command, made.privileged) == ("ours:1", "prefect flow-run execute", False)
    assert made.volumes == ["glueflow:/data", "/etc/glueflow/credentials:/run/secrets/aws:ro"]
    assert made.env["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"] == "reschedule"
    assert made.env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "60"
    host = HostConfig(version="1.45", **made.container_create_kwargs)  # as Docker's API is told; knows its words
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["DeviceRequests"][0]["Driver"] == "nvidia"
    with pytest.raises(TypeError):
        HostConfig(version="1.45", **{**made.container_create_kwargs, "readonly": True})
