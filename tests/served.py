"""A user's corner with deployments of its own on the shared Prefect server, and whoever works on what they start.

place.deploy("--active")           # `glueflow deploy` of a file with one deployment, called place.name
run = place.start(f"glue/{place.name}")
with place.worker():               # a real process worker
    until(lambda: place.state(run) in ENDED or None)
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings

from infra.stack import Stack
from tests.conftest import Corner

OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_RUNNER_POLL_FREQUENCY": "1"}  # is looked for work
KEPT = {"id", "paused", "name", "version", "entrypoint", "parameters", "tags", "concurrency_options", "work_pool_name"}
ENDED = {"Completed", "Failed", "Crashed", "Cancelled"}


class Place:
    """A user's corner with a file of deployments of its own, and a work pool of that name."""

    def __init__(self, corner: Corner, stack: Stack, tiny: Path) -> None:
        self.corner, self.stack = corner, stack
        self.name = f"t{uuid4().hex[:8]}"
        self.run: dict[str, Any] = {"task": "mrpc", "data": "sample:16", "checkpoint": f"file:{tiny}", "seed": 3}
        self.run["training"] = {"epochs": 1}
        corner.home.mkdir(parents=True)

    def declared(self, **changes: Any) -> dict[str, Any]:
        return {
            "name": self.name,
            "entrypoint": "flows.glue.glue",
            "description": "a test",
            "parameters": {"run": self.run},
            "schedules": [{"cron": "0 2 * * *"}],
            "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
            **changes,
        }

    def file(self, *deployments: dict[str, Any]) -> str:
        path = self.corner.home / "deployments.yaml"
        path.write_text(yaml.safe_dump({"name": self.name, "deployments": deployments}))
        return str(path)

    def deploy(self, *options: str, **changes: Any) -> Any:
        file = self.file(self.declared(**changes))
        return self.corner.json("deploy", "--file", file, "--pool", self.name, *options)

    @contextmanager
    def asking(self) -> Iterator[SyncPrefectClient]:
        with temporary_settings({PREFECT_API_URL: self.stack.api_url}), get_client(sync_client=True) as client:
            yield client

    def start(self, deployment: str, /, **parameters: Any) -> FlowRun:
        """One run as the UI starts it: a quick one, or a custom one with those parameters."""
        with temporary_settings({PREFECT_API_URL: self.stack.api_url}):
            started: Any = run_deployment(deployment, parameters=parameters, timeout=0, as_subflow=False)
        return cast("FlowRun", started)

    def state(self, run: FlowRun) -> str:
        with self.asking() as client:
            return client.read_flow_run(run.id).state_name or ""

    def runs(self) -> list[FlowRun]:
        """Those of the place's own deployment; none while it is not there."""
        with self.asking() as client:
            chosen = DeploymentFilter(name=DeploymentFilterName(any_=[self.name]))
            return client.read_flow_runs(deployment_filter=chosen)

    @contextmanager
    def working(self, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process that runs what is started: a worker, or one of our own commands."""
        known = {**os.environ, **OFTEN, **self.corner.environment, "PREFECT_HOME": str(self.corner.home / "prefect")}
        with (self.corner.home / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", *command], env={**known, **environment}, stdout=log, stderr=log
            )
        try:
            yield worker
        finally:
            worker.send_signal(signal.SIGINT)
            try:
                worker.wait(120)
            except subprocess.TimeoutExpired:  # Prefect's worker may wait longer for its connections
                worker.kill()
                worker.wait()
            print((self.corner.home / "worker.log").read_text()[-4000:])  # shown if the test fails

    def worker(self, **environment: str) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        return self.working("prefect", "worker", "start", "--pool", self.name, **environment)


def pictured(place: Place) -> dict[str, Any]:
    """All that the server holds for the place."""
    with place.asking() as client:
        deployment = client.read_deployment_by_name(f"glue/{place.name}")
        automations = [each for each in client.read_automations() if each.name.startswith(place.name)]
        pool = client.read_work_pool(place.name)
    return {
        "deployment": deployment.model_dump(mode="json", include=KEPT),
        "limit": deployment.global_concurrency_limit and deployment.global_concurrency_limit.limit,
        "schedules": [
            each.model_dump(mode="json", exclude={"id", "created", "updated"}) for each in deployment.schedules
        ],
        "automations": sorted((each.name, str(each.id)) for each in automations),
        "pool": (str(pool.id), pool.type),
    }
