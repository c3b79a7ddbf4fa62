"""Each deployment of `infra/prefect.yaml` carried out once, with small parameters, by a real worker; and the same file
given to Prefect's own `prefect deploy`."""

import csv
import io
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun

from flows import deployments
from infra.stack import Stack
from tasks.core import predictions, registry
from tasks.core.catalog import glue_task
from tasks.core.specs import GlueRun
from tests.conftest import ROOT, make_corner
from tests.fetched import classic, rows, write
from tests.finished import prepared
from tests.served import ENDED, Place
from tests.test_process import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
DAY = date(2026, 1, 10)


@pytest.fixture
def place(stack: Stack, tiny: Path, tmp_path: Path) -> Place:
    return Place(make_corner(stack, tmp_path / "home"), stack, tiny)


def renamed(place: Place) -> Path:
    """The file with names and a work pool of the place's own."""
    found = yaml.safe_load(deployments.FILE.read_text())
    for each in found["deployments"]:
        each["name"] = f"{each['name']}-{place.name}"
        each["work_pool"]["name"] = place.name
    path = place.corner.home / "prefect.yaml"
    path.write_text(yaml.safe_dump({**found, "name": place.name}))
    return path


def carried_out(place: Place, deployment: str, parameters: dict[str, Any]) -> FlowRun:
    """A run of it that has ended."""
    run = place.start(deployment, **parameters)
    until(lambda: place.state(run) in ENDED or None, 400)
    with place.asking() as client:
        return client.read_flow_run(run.id)


def test_each_is_carried_out_by_a_worker(place: Place) -> None:
    store = place.corner.store
    made = place.corner.json("deploy", "--file", str(renamed(place)), "--pool", place.name)
    labels = {row["deployment"].removesuffix(f"-{place.name}"): row["deployment"] for row in made}
    assert len(labels) == 6  # all of which are carried out below
    texts = place.corner.home / "in.csv"
    with texts.open("w", newline="") as file:
        csv.writer(file).writerows([("sentence1", "sentence2"), *((f"a {n}", f"b {n}") for n in range(5))])
    folder = place.corner.home / "dated" / str(DAY - timedelta(days=1))
    write(folder, classic("mrpc", rows(glue_task("mrpc"), 16)))
    run = place.run
    for seed in (3, 4):
        prepared(place.corner, GlueRun.model_validate({**run, "seed": seed}))
    tiny = {"data": run["data"], "checkpoint": run["checkpoint"], "training": run["training"]}
    past = {"from_": str(DAY), "to": str(DAY + timedelta(days=1)), "every": "day", "data": f"file:{folder.parent}"}
    past |= {"checkpoints": [run["checkpoint"]], "training": run["training"]}
    with place.worker():
        night = carried_out(place, labels["glue/nightly"], {"run": run})
        assert night.state_name == "Completed"
        assert registry.versions(store, "mrpc") == [1]
        suite = carried_out(
            place, labels["benchmark/weekly"], {"suite": {"tasks": ["mrpc"], "seeds": [3, 4], **tiny}, "threads": 1}
        )
        assert suite.state_name == "Completed"
        assert registry.versions(store, "mrpc") == [1, 2]  # seed 3 is that of the night
        batch = carried_out(
            place, labels["predict/batch"], {"batch": {"model": "mrpc@2", "input": str(texts), "part_rows": 2}}
        )
        assert batch.state_name == "Completed"
        (key,) = {name.split("/")[1] for name in store.sizes("predictions/")}
        answered = predictions.find(store, key)
        assert answered
        parts = [pq.read_table(io.BytesIO(body)) for body in predictions.bodies(store, answered)]
        assert [part.num_rows for part in parts] == [2, 2, 1]
        way = {"deployment": labels["glue/on-demand"], "at_once": 2}
        back = carried_out(place, labels["backfill/on-demand"], {"asked": past, "way": way})
        assert back.state_name == "Completed"
        (ledger,) = place.corner.json("backfill", "list")
        status = place.corner.json("backfill", "status", ledger["backfill"])
        assert (status["done"], status["standing"]) == (2, "running")
        assert registry.versions(store, "mrpc") == [1, 2, 3]  # both days have the same data
        needed = store.sizes("models/")
        store.put("quarantine/x/reason.txt", b"left over")
        rules = {"delete": True, "grace_days": 0, "keep_days": 0}
        swept = carried_out(place, labels["collect-garbage/weekly"], {"asked": rules})
        assert swept.state_name == "Completed"
        assert not store.sizes("quarantine/")
        assert store.sizes("models/") == needed
        assert place.corner.json("models", "verify")["damaged"] == []


def test_prefects_own_command_takes_the_file(place: Place) -> None:
    """`prefect deploy --all` makes the same deployments, paused."""
    path = renamed(place)
    with place.asking() as client:
        client.create_work_pool(WorkPoolCreate(name=place.name, type="process"))
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
    subprocess.run(command, cwd=ROOT, env=place.corner.whole_environment(), check=True, capture_output=True)
    wanted = deployments.declared(path, deployments.Choices())
    with place.asking() as client:
        made = {each.label: client.read_deployment_by_name(each.label) for each in wanted.all}
    for each in wanted.all:
        there = made[each.label]
        assert (there.entrypoint, there.parameters) == (each.entrypoint, each.parameters)
        assert [(known.schedule.cron, known.active) for known in there.schedules] == [
            (known.cron, False) for known in each.schedules
        ]
        assert there.global_concurrency_limit
        assert there.global_concurrency_limit.limit == each.concurrency_limit.limit
        assert there.concurrency_options
        assert there.concurrency_options.collision_strategy == each.concurrency_limit.collision_strategy
        assert (there.work_pool_name, there.pull_steps or []) == (place.name, [])
