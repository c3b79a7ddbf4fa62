"""The recipe for Kubernetes: what Prefect's server is told is carried out, what a cluster is told is checked."""

import json
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows import pools
from tests.cluster import Made, Refused, carry_out
from tests.conftest import ROOT, Corner
from tests.test_recipes import CLUSTER, assert_followed, follow

FILES = ROOT / "infra" / "kubernetes"
SERVER = f"helm install prefect-server prefect/prefect-server --namespace glueflow --values {FILES}/server-values.yaml"
WORKER = f"helm install prefect-worker prefect/prefect-worker --namespace glueflow --values {FILES}/worker-values.yaml"
MADE: Made = {"Repo/prefect": [], "Namespace/glueflow": [], "Secret/glueflow/glueflow-login": ["auth-string"]}
DATABASE: Made = {"Secret/glueflow/glueflow-database": ["connection-string"]}


@pytest.mark.slow
def test_a_night_is_scheduled_and_all_that_its_jobs_need_is_there(inside: Corner, tmp_path: Path) -> None:
    assert_followed(CLUSTER, follow(CLUSTER, inside, tmp_path))
    made = json.loads((tmp_path / "cluster.json").read_text())
    assert {"Release/glueflow/prefect-server", "Release/glueflow/prefect-worker"} <= {*made}
    with get_client(sync_client=True) as client:
        found, pool = client.read_deployment_by_name("glue/night-mrpc"), client.read_work_pool("kubernetes")
        automations = [each for each in client.read_automations() if each.name.startswith("night: ")]
        client.delete_deployment(found.id)
        client.delete_work_pool(pool.name)
        for each in automations:
            client.delete_automation(each.id)
    assert (found.work_pool_name, pool.base_job_template) == (pool.name, pools.template("kubernetes"))
    assert f"Image/{found.job_variables['image']}" in made
    (schedule,) = found.schedules
    assert (schedule.active, schedule.schedule.cron, schedule.schedule.timezone) == (True, "0 2 * * *", "Europe/Berlin")
    assert len(automations) == 2


@pytest.mark.parametrize(
    ("made", "words", "stdin"),
    [
        ({}, "docker push registry.example/glueflow:cpu", ""),
        ({}, f"docker build --file {FILES}/Dockerfile --tag ours {ROOT}", ""),
        ({}, f"kubectl apply --filename {FILES}/network-policy.yaml", ""),  # before its namespace
        ({}, "kubectl apply --filename -", "{apiVersion: v1, kind: Namespace, metadata: {nmae: glueflow}}"),
        (MADE, "kubectl --namespace gluflow create secret generic x --from-file=key=/dev/stdin", "value"),
        (MADE, "kubectl --namespace glueflow create secret generic x --from-env-file=/dev/stdin", "KEY="),
        (MADE, "kubectl --namespace glueflow port-forward service/prefect-server 4200", ""),
        (MADE, SERVER, ""),  # before the secret of its database
        ({**MADE, **{name: ["connection_string"] for name in DATABASE}}, SERVER, ""),
        ({**MADE, **DATABASE}, SERVER.replace("prefect/", "prefct/", 1), ""),
        ({**MADE, **DATABASE}, SERVER.replace("--values", "--vlaues"), ""),
        ({**MADE, **DATABASE}, WORKER, ""),  # before the server
    ],
)
def test_what_a_cluster_would_refuse_is_refused(made: Made, words: str, stdin: str) -> None:
    before = dict(made)
    with pytest.raises(Refused):
        carry_out(made, words.split(), stdin)
    assert made == before


def test_what_it_would_take_is_taken() -> None:
    made = {**MADE, **DATABASE}
    carry_out(made, SERVER.split())
    carry_out(made, ["kubectl", "--namespace", "glueflow", "port-forward", "service/prefect-server", "4200"])
    assert made["Service/glueflow/prefect-server"] == ["4200"]
