"""Several backfills over the same slots at once, on a real server and a real worker: each step is built once."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter, TaskRunFilterName
from prefect.client.schemas.objects import FlowRun
from test_backfill_runs import start

from infra.stack import Stack
from tasks.core import registry
from tasks.core.catalog import glue_task
from tests.conftest import make_corner
from tests.fetched import classic, rows, write
from tests.served import Place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
MRPC = glue_task("mrpc")
ONCE = {"fetch": 2, "encode": 2, "finetune": 4, "evaluate": 4, "register": 4}  # two dates x two seeds


def arguments(place: Place, last: str = "2026-02-28") -> list[str]:
    """Slots of two dates with different data, two seeds each, on the place's deployment."""
    data = place.corner.home / "data"
    for day, word in {"2026-01-01": "text", "2026-02-01": "other"}.items():
        write(data / day, classic("mrpc", rows(MRPC, 16, word)))
    return [
        *("--from", "2026-01-10", "--to", last, "--every", "month", "--seeds", "1", "2", "--epochs", "1"),
        *("--data", f"file:{data}", "--checkpoints", place.run["checkpoint"], "--deployment", f"glue/{place.name}"),
    ]


def deployed(running: Stack, home: Path, tiny: Path, limit: int) -> Place:
    place = Place(make_corner(running, home), running, tiny)
    place.corner.environment["GLUEFLOW_LEASE"] = "2"
    beyond = {"limit": limit, "collision_strategy": "ENQUEUE"}
    place.deploy("--heartbeat", "30", schedules=[], concurrency_limit=beyond)
    return place


def built(place: Place) -> Counter[str]:
    return Counter(key.split("/")[1] for key in place.corner.keys("steps/") if key.endswith("/manifest.json"))


def trainings(place: Place, runs: list[FlowRun]) -> Counter[str]:
    """How often a training was carried out, and how often one was there, over all of the runs."""
    ids = FlowRunFilter(id=FlowRunFilterId(any_=[run.id for run in runs]))
    named = TaskRunFilter(name=TaskRunFilterName(any_=["fine-tune"]))
    with place.asking() as client:
        return Counter(
            run.state_name or "" for run in client.read_task_runs(flow_run_filter=ids, task_run_filter=named)
        )


def most_at_once(runs: list[FlowRun]) -> int:
    begun = [run.start_time for run in runs if run.start_time]
    return max(sum(run.start_time <= time < run.end_time for run in runs) for time in begun)


def ended(run: subprocess.Popen[str]) -> dict[str, int]:
    out, errors = run.communicate(timeout=900)
    assert run.returncode == 0, errors
    found: dict[str, int] = json.loads(out)
    return found


def test_three_at_once_over_the_same_slots_build_each_step_once(stack: Stack, tiny: Path, tmp_path: Path) -> None:
    """The same backfill twice, which has one ledger, and one of fewer slots, which has another. Together they want more
    runs at once than the deployment allows: those beyond its limit wait."""
    place = deployed(stack, tmp_path / "home", tiny, limit=2)
    whole, part = arguments(place), arguments(place, "2026-01-31")
    with place.worker():
        asked = [start(place.corner, *whole), start(place.corner, *whole), start(place.corner, *part)]
        first, second, third = [ended(run) for run in asked]
    assert (first["done"] + second["done"], third["of_slots"]) == (4, 2)
    assert first["failed"] + second["failed"] + third["failed"] == 0
    runs = place.runs()
    assert len(runs) == 4 + third["done"]
    assert {run.state_name for run in runs} == {"Completed"}
    assert most_at_once(runs) <= 2
    assert built(place) == ONCE
    assert trainings(place, runs) == {"Completed": 4, "Cached": len(runs) - 4}
    assert registry.versions(place.corner.store, "mrpc") == [1, 2, 3, 4]
