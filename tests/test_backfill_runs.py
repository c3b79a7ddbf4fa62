"""A backfill carried out on a real Prefect server by real runners: stopped and begun again, nothing is done twice."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from test_process import until
from test_sources import commit

from tasks.core import registry
from tests.conftest import Corner
from tests.hub_server import Hub
from tests.terminal import Seen, watch

ROOT = Path(__file__).resolve().parents[1]
QUICK = """
import time
from prefect import flow
from prefect.artifacts import create_progress_artifact

@flow(name="{name}", retries=0)
def glue(run: dict) -> None:
    if run["seed"] == 2:
        raise ValueError("seed 2 is broken")
    if run["seed"] == 7:
        create_progress_artifact(40.0, key="progress-mrpc-seed7", description="train: 4 of 10 steps")
        time.sleep(8)  # some looks of whoever waits for it

if __name__ == "__main__":  # each run imports this file
    glue.serve(name="slots", limit=2)
"""
REAL = """
from flows.glue import glue

if __name__ == "__main__":
    glue.with_options(name="{name}").serve(name="slots", limit=2)
"""


@contextmanager
def served(corner: Corner, script: str, **environment: str) -> Iterator[str]:
    """A process that runs the slots of a deployment of its own; its name."""
    name = f"glue-{uuid4().hex[:8]}"
    place = corner.home.parent / f"{name}.py"
    place.write_text(script.format(name=name))
    found = {**os.environ, **corner.environment, **environment, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    runner = subprocess.Popen([sys.executable, place], cwd=ROOT, env={**found, "PYTHONPATH": str(ROOT)})
    try:
        until(lambda: deployment(corner, f"{name}/slots"))
        yield f"{name}/slots"
    finally:
        runner.terminate()
        runner.wait()


def deployment(corner: Corner, name: str) -> Any:
    with (
        temporary_settings({PREFECT_API_URL: corner.environment["PREFECT_API_URL"]}),
        get_client(sync_client=True) as c,
    ):
        try:
            return c.read_deployment_by_name(name)
        except ObjectNotFound:
            return None


def flow_runs(corner: Corner, name: str) -> list[Any]:
    chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployment(corner, name).id]))
    with (
        temporary_settings({PREFECT_API_URL: corner.environment["PREFECT_API_URL"]}),
        get_client(sync_client=True) as c,
    ):
        return c.read_flow_runs(deployment_filter=chosen)


def start(corner: Corner, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "backfill", "run", *arguments, "--json"],
        cwd=ROOT,
        env={**os.environ, **corner.environment, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def on_terminal(corner: Corner, *arguments: str, **environment: str) -> Seen:
    command = [sys.executable, "-m", "flows.cli", "backfill", "run", *arguments]
    return watch(command, {**os.environ, **corner.environment, **environment}, columns=140)


def slips(corner: Corner) -> list[str]:
    return sorted(key.rpartition("/")[2] for key in corner.keys("backfills/") if "/slots/" in key)


def test_failures_stop_it_and_a_person_pauses_and_cancels_it(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    """Slots of a flow that does nothing and fails for one seed."""
    with Hub() as hub, served(corner, QUICK) as name:
        commit(hub, "acme/glue", "2026-01-05")
        environment = hub.env(tmp_path / "hub")
        common = [
            "--from", "2026-01-10", "--to", "2026-01-10", "--data", "hf://acme/glue", "--checkpoints", f"file:{tiny}",
            "--at-once", "1", "--deployment", name,
        ]  # fmt: skip
        asked = [*common, "--seeds", "1", "2", "3", "--stop-after", "1"]
        refused = corner.glueflow("backfill", "run", *asked, status=1, **environment)
        assert "1 of 3 slots failed" in refused.stderr
        (ledger,) = corner.json("backfill", "list")
        found = corner.json("backfill", "status", ledger["backfill"])
        assert [(slip["slot"], slip["state"]) for slip in found["slots"]] == [
            ("2026-01-10-mrpc-seed1", "done"),
            ("2026-01-10-mrpc-seed2", "failed"),
        ]
        assert "seed 2 is broken" in found["slots"][1]["message"]
        again = on_terminal(corner, *asked, "--mode", "failed", **environment)
        assert again.status == 1
        assert re.search(r"^2026-01-10-mrpc-seed2 +failed", again.text, re.MULTILINE)  # stays, for it was cut off
        attempts = {
            slip["slot"]: slip["attempt"] for slip in corner.json("backfill", "status", ledger["backfill"])["slots"]
        }
        assert attempts == {"2026-01-10-mrpc-seed1": 1, "2026-01-10-mrpc-seed2": 2}

        run = start(corner, *common, "--seeds", "4", "5", "6", **environment)
        other = until(lambda: next((each for each in corner.json("backfill", "list") if each != ledger), None))
        until(lambda: len(slips(corner)) == 3 or None)
        corner.glueflow("backfill", "pause", other["backfill"])
        until(lambda: all(run.state.is_final() for run in flow_runs(corner, name)) or None)
        corner.glueflow("backfill", "cancel", other["backfill"])
        out, errors = run.communicate(timeout=60)
        assert run.returncode == 0, errors
        assert '"done": 1' in out
        assert '"left": 2' in out
        assert len(slips(corner)) == 3

        seen = on_terminal(corner, *common, "--seeds", "7", **environment)
        assert seen.status == 0
        assert any(re.search(r"^2026-01-10-mrpc-seed7 +running ", "\n".join(f), re.M) for f in seen.frames)
        assert re.search(r"^2026-01-10-mrpc-seed7 +1 +done", seen.text, re.MULTILINE)
        assert seen.text.splitlines()[-1].startswith("next: glueflow ")


@pytest.mark.slow
def test_a_backfill_that_was_killed_goes_on_and_does_nothing_twice(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    """Two data revisions, real runs, two at once; killed while both are under way."""
    with Hub() as hub:
        commit(hub, "acme/glue", "2026-01-05")
        commit(hub, "acme/glue", "2026-02-05", "other text")
        environment = hub.env(tmp_path / "hub")
        asked = [
            "--from", "2026-01-10", "--to", "2026-02-28", "--every", "month", "--seeds", "1", "--epochs", "1",
            "--data", "hf://acme/glue", "--checkpoints", f"file:{tiny}",
        ]  # fmt: skip
        with served(corner, REAL, **environment) as name:
            first = start(corner, *asked, "--deployment", name, **environment, GLUEFLOW_LEASE="2")
            until(lambda: len(flow_runs(corner, name)) == 2 or None)
            first.kill()
            first.communicate()
            again = start(corner, *asked, "--deployment", name, **environment, GLUEFLOW_LEASE="2")
            out, errors = again.communicate(timeout=280)
            assert again.returncode == 0, errors
            assert '"failed": 0' in out
            states = Counter(run.state.name for run in flow_runs(corner, name))
            assert states == {"Completed": 2}
            built = Counter(key.split("/")[1] for key in corner.keys("steps/") if key.endswith("manifest.json"))
            assert built == dict.fromkeys(("fetch", "encode", "finetune", "evaluate", "register"), 2)
            assert registry.versions(corner.store, "mrpc") == [1, 2]
            (ledger,) = corner.json("backfill", "list")
            assert corner.json("backfill", "status", ledger["backfill"])["done"] == 2
            more = corner.json("backfill", "run", *asked, "--deployment", name, **environment)
            assert more["done"] == 0
            assert len(flow_runs(corner, name)) == 2
            plan = corner.json("backfill", "plan", *asked, **environment)
            assert plan["missing_slots"] == 0
