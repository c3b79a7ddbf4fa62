"""Many tiny runs through one Prefect server and one worker: is one lost or stuck, and what does a slot cost?

    python -m tests.benchmarks.load 500 4    # slots, at once

The slots are days x four seeds on the same small data, so that four of them train, and all others find their five steps
there. Each is a flow run of a deployment, in a process that the worker starts.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun

from infra import stack
from tasks.core import registry
from tasks.core.catalog import glue_task
from tests.conftest import ROOT, make_corner, make_tiny
from tests.fetched import classic, rows, write
from tests.served import Place

FIRST = date(2026, 1, 1)
SEEDS = 4
PAGE = 200  # flow runs that the server hands out at once


@dataclass(frozen=True)
class Load:
    """What came of the slots, by the command, the ledger, Prefect's API and the bucket."""

    status: int
    ledger: dict[str, Any]
    runs: Sequence[FlowRun]
    built: Counter[str]
    versions: int
    seconds: float
    log: list[str]

    def states(self) -> Counter[str]:
        return Counter(run.state_name or "" for run in self.runs)

    def problems(self, slots: int) -> list[str]:
        """What is not as it must be: one run for each slot, all ended well, nothing built twice."""
        seeds = min(SEEDS, slots)
        found = {
            "the command ended with": (self.status, 0),
            "the ledger says": (self.ledger.get("done", 0), slots),
            "flow runs": (len(self.runs), slots),
            "slots of flow runs": (len({run.idempotency_key for run in self.runs}), slots),
            "Completed": (self.states()["Completed"], slots),
            "started once": (sum(run.run_count == 1 for run in self.runs), slots),
            "built": (dict(self.built), dict.fromkeys(("finetune", "evaluate", "register"), seeds) | EACH_ONCE),
            "versions": (self.versions, seeds),
        }
        failed = [f"{slip['slot']}: {slip['message']}" for slip in self.ledger["slots"] if slip["state"] != "done"]
        wrong = [f"{what}: {was}, not {wanted}" for what, (was, wanted) in found.items() if was != wanted]
        return wrong + failed + self.log

    def __str__(self) -> str:
        asleep = [(run.start_time - run.created).total_seconds() for run in self.runs if run.start_time and run.created]
        awake = [run.total_run_time.total_seconds() for run in self.runs]
        return (
            f"{len(self.runs)} runs in {self.seconds:.0f} s, {60 * len(self.runs) / self.seconds:.1f} a minute; states "
            f"{dict(self.states())}; from submission to begin {median(asleep):.2f} s (longest {max(asleep):.1f}), from "
            f"begin to end {median(awake):.2f} s (longest {max(awake):.1f})"
        )


EACH_ONCE = {"fetch": 1, "encode": 1}


def through(place: Place, slots: int, at_once: int, **environment: str) -> Load:
    """That many slots, so many at once, on one worker of the place's server."""
    task = glue_task("mrpc")
    data = write(place.corner.home / "data" / str(FIRST - timedelta(1)), classic("mrpc", rows(task, 16)))
    place.deploy(schedules=[], concurrency_limit={"limit": at_once, "collision_strategy": "ENQUEUE"})
    seeds = [str(seed) for seed in range(min(SEEDS, slots))]
    last = FIRST + timedelta(slots // len(seeds) - 1)
    asked = [
        *("--from", str(FIRST), "--to", str(last), "--every", "day", "--seeds", *seeds, "--epochs", "1", "--yes"),
        *("--data", data.rpartition("/")[0], "--checkpoints", place.run["checkpoint"], "--at-once", str(at_once)),
        *("--deployment", f"glue/{place.name}", "--stop-after", "0", "--json"),
    ]
    with place.worker(**environment):
        start = time.monotonic()
        command = [sys.executable, "-m", "flows.cli", "backfill", "run", *asked]
        known = {**place.corner.whole_environment(), **environment}
        ran = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - start
    store = place.corner.store
    manifests = [key for key in store.sizes("steps/") if key.endswith("/manifest.json")]
    runs = all_runs(place)
    (ledger,) = place.corner.json("backfill", "list")
    return Load(
        ran.returncode,
        place.corner.json("backfill", "status", ledger["backfill"]),
        runs,
        Counter(key.split("/")[1] for key in manifests),
        len(registry.versions(store, "mrpc")),
        seconds,
        why(place, runs),
    )


def why(place: Place, runs: Sequence[FlowRun]) -> list[str]:
    """States and log of the run that was the first not to end well; nothing if there is none."""
    odd = [run for run in runs if run.state_name != "Completed" or run.run_count > 1]
    if not odd:
        return []
    first = min(odd, key=lambda run: str(run.start_time or run.created))
    chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[first.id]))
    with place.asking() as client:
        said = [
            (state.timestamp, f"{state.name}: {state.message or ''}") for state in client.read_flow_run_states(first.id)
        ]
        said += [(each.timestamp, f"{each.name}: {each.message}") for each in client.read_logs(chosen, limit=PAGE)]
    return [f"the first of {len(odd)} that did not end well at once, {first.name} ({first.id}):"] + [
        f"  {moment:%H:%M:%S.%f} {what}" for moment, what in sorted(said)
    ]


def all_runs(place: Place) -> list[FlowRun]:
    """Every flow run of the place's deployment, page by page."""
    chosen, found = DeploymentFilter(name=DeploymentFilterName(any_=[place.name])), []
    with place.asking() as client:
        while page := client.read_flow_runs(deployment_filter=chosen, limit=PAGE, offset=len(found)):
            found += page
    return found


def main(slots: int = 500, at_once: int = 4) -> None:
    with TemporaryDirectory() as name:
        home = Path(name)
        running = stack.up(home)
        try:
            place = Place(make_corner(running, home / "user"), running, make_tiny(home / "tiny"))
            found = through(place, slots, at_once)
            print(found)
            sys.exit("\n".join(found.problems(slots)) or None)
        finally:
            stack.down(home)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
