"""A backfill whose worker, server and own process are killed while slots train: nothing is lost, nothing done twice."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from prefect.client.schemas.objects import FlowRun

from infra.stack import Stack, up
from tasks.core import registry
from tasks.core.catalog import glue_task
from tests.conftest import Corner, full, make_corner
from tests.fetched import classic, rows, write
from tests.served import Place
from tests.test_backfill_runs import flow_runs, served, start
from tests.test_backfills_together import ended
from tests.test_outage import kill
from tests.test_process import saved, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
OFTEN = {"GLUEFLOW_SAVE_EVERY": "0.01", "GLUEFLOW_SAVE_SHARE": "1", "GLUEFLOW_LEASE": "2"}
WAY = ("--at-once", "2", "--lost-after", "90")
DYING = """
import os
import signal
import time
from prefect import flow
from prefect.runtime import flow_run
from tasks.core.lease import exclusive
from tasks.core.plan import plan
from tasks.core.settings import settings
from tasks.core.specs import GlueRun
from tasks.core.store import open_store

@flow(name="{name}", retries=0)
def glue(run: dict) -> None:
    if run["seed"] == 1 or (run["seed"] == 2 and flow_run.name.endswith("-1")):
        os.kill(os.getpid(), signal.SIGKILL)
    if run["seed"] == 3:  # at work for longer than a slot may be silent
        step = plan(GlueRun.model_validate(run)).step("finetune")
        with exclusive(open_store(settings()), step.lease, 2, lambda: False):
            time.sleep(90)

if __name__ == "__main__":  # each run imports this file
    glue.serve(name="slots", limit=3)
"""
ONCE = {"fetch": 1, "encode": 1, "finetune": 3, "evaluate": 3, "register": 3}


@pytest.fixture
def place(own: Stack, tiny: Path, tmp_path: Path) -> Place:
    """Where two runs at a time are allowed, and nothing but the backfill begins a run again."""
    place = Place(make_corner(own, tmp_path / "home"), own, tiny)
    place.corner.environment |= OFTEN
    limit = {"limit": 2, "collision_strategy": "ENQUEUE"}
    place.deploy("--heartbeat", "3600", "--resumptions", "0", schedules=[], concurrency_limit=limit)
    return place


def asked(corner: Corner, tiny: Path) -> list[str]:
    """Three slots of one date, each long enough to be met in training."""
    data = corner.home / "data"
    write(data / "2026-01-01", classic("mrpc", rows(glue_task("mrpc"), 200)))
    return [
        *("--from", "2026-01-10", "--to", "2026-01-10", "--seeds", "1", "2", "3", "--epochs", "30"),
        *("--data", f"file:{data}", "--checkpoints", f"file:{tiny}"),
    ]


def committed(place: Place) -> dict[str, bytes]:
    """Each entry's manifest, which says when it was built."""
    names = [key for key in place.corner.keys("steps/") if key.endswith("/manifest.json")]
    return {name: place.corner.store.get(name) or b"" for name in names}


def states(runs: list[FlowRun]) -> Counter[str]:
    return Counter(run.state_name or "" for run in runs)


def kill_all(place: Place, worker: "subprocess.Popen[bytes]") -> None:
    """Worker, its runs and their trainings, and Prefect's server, before any of them can tell of it."""
    kill(place.stack, "prefect")
    family = [*psutil.Process(worker.pid).children(recursive=True), psutil.Process(worker.pid)]
    for process in family:
        process.kill()
    worker.wait()


@contextmanager
def carried_out(place: Place, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A backfill's own process, which does not outlive the block."""
    backfill = start(place.corner, *arguments)
    try:
        yield backfill
    finally:
        backfill.kill()


@pytest.mark.parametrize(
    "its_own", [pytest.param(False, id="it lives", marks=full), pytest.param(True, id="it is killed, too")]
)
def test_server_and_worker_killed_in_the_middle_and_started_again(
    place: Place, own_home: Path, tiny: Path, its_own: bool
) -> None:
    deployment = ("--deployment", f"glue/{place.name}")
    with carried_out(place, *asked(place.corner, tiny), *WAY, *deployment) as backfill:
        with place.worker() as worker:
            until(lambda: (states(place.runs())["Running"] == 2 and saved(place.corner)) or None, 600)
            kill_all(place, worker)
            before = committed(place)
        if its_own:
            backfill.kill()
            backfill.communicate()
        up(own_home)
        left = [run for run in place.runs() if run.state_name == "Running"]
        assert len(left) == 2
        with place.asking() as client:  # whoever had lived on would have kept its place
            for run in left:
                client.renew_concurrency_lease(run.state.state_details.deployment_concurrency_lease_id, 300)
        (ledger,) = place.corner.json("backfill", "list")
        with place.worker():
            if its_own:
                found = place.corner.json("backfill", "resume", ledger["backfill"], *WAY, *deployment)
            else:
                told = place.corner.json("backfill", "resume", ledger["backfill"])  # which is carried out already
                assert told == {"backfill": ledger["backfill"], "standing": "running"}
                found = ended(backfill)
    assert (found["done"], found["failed"], found["left"]) == (3, 0, 0)
    slips = place.corner.json("backfill", "status", found["backfill"])["slots"]
    assert [slip["state"] for slip in slips] == ["done"] * 3
    assert sum(slip["attempt"] > 1 for slip in slips) >= 2
    assert {place.state(run) for run in left} == {"Lost"}
    built = committed(place)
    assert Counter(key.split("/")[1] for key in built) == ONCE
    assert before.items() <= built.items()  # none of them was built again
    assert any(json.loads(built[key])["facts"]["resumed_from"] > 0 for key in built if "/finetune/" in key)
    assert registry.versions(place.corner.store, "mrpc") == [1, 2, 3]


def test_a_slot_that_crashes_is_begun_four_times_at_most_and_one_at_work_once(corner: Corner, tiny: Path) -> None:
    with served(corner, DYING) as name:
        way = ("--at-once", "3", "--lost-after", "30", "--deployment", name)
        run = start(corner, *asked(corner, tiny), *way)
        _, errors = run.communicate(timeout=900)
        assert run.returncode == 1
        assert "1 of 3 slots failed" in errors
        assert states(flow_runs(corner, name)) == {"Completed": 2, "Crashed": 5}
    (ledger,) = corner.json("backfill", "list")
    slips = corner.json("backfill", "status", ledger["backfill"])["slots"]
    assert [(slip["state"], slip["attempt"]) for slip in slips] == [("failed", 4), ("done", 2), ("done", 1)]
