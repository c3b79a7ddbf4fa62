"""Whole runs, from process start to exit: MRPC from nothing to a registered model against run_glue.py as it stands
(`rival.py`), and six tasks in one command against six calls of it. Cut to fewer rows than there are, so that starting a
process weighs more than it would."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from infra import stack
from tasks.core.catalog import glue_task
from tasks.core.plan import plan
from tasks.core.process import Request
from tasks.core.specs import GlueRun, Task
from tasks.steps import fetch
from tests.benchmarks.mrpc import DATA
from tests.benchmarks.timing import Row, compare

SUITE: tuple[Task, ...] = ("cola", "mrpc", "rte", "sst2", "stsb", "wnli")
ALONE, TOGETHER = (600, 3), (128, 1)  # training rows of a task, epochs
RUNS = {1: 2, 6: 1}  # by tasks; six rivals take five minutes


def measure() -> list[Row]:
    with TemporaryDirectory() as name:
        running = stack.up(Path(name))
        try:
            return [
                _row(running, f"whole run of MRPC, {ALONE[0]} rows, 3 epochs", ("run", "mrpc"), ("mrpc",), *ALONE),
                _row(
                    running,
                    f"suite of six tasks, {TOGETHER[0]} rows each, 1 epoch",
                    ("benchmark", "--seeds", "1", "--tasks", *SUITE),
                    SUITE,
                    *TOGETHER,
                ),
            ]
        finally:
            stack.down(Path(name))


def _row(
    running: stack.Stack, work: str, command: tuple[str, ...], tasks: tuple[Task, ...], rows: int, epochs: int
) -> Row:
    with TemporaryDirectory() as name:
        folders = {task: _fetched(task, Path(name)) for task in tasks}

        def ours() -> None:
            flags = ("--data", DATA, "--max-train-rows", str(rows), "--epochs", str(epochs))
            with TemporaryDirectory() as home:
                _run(("flows.cli", *command, *flags), _from_nothing(running, home))

        def theirs() -> None:
            for task, folder in folders.items():
                columns, labels = ",".join(glue_task(task).text), str(glue_task(task).num_labels)
                _run(("tests.benchmarks.rival", str(folder), columns, labels, str(rows), str(epochs)), {})

        return compare(work, ours, f"run_glue.py, {len(tasks)} x", theirs, runs=RUNS[len(tasks)], warm=False)


def _fetched(task: Task, folder: Path) -> Path:
    """The task's splits as Arrow tables, which spares the peer to read them from text."""
    step = plan(GlueRun(task=task, data=DATA)).step("fetch")
    out = folder / task
    out.mkdir()
    fetch.run(step.spec, Request("fetch", {}, {}, step.sources, str(out), str(folder), "cpu", 64))
    return out


def _from_nothing(running: stack.Stack, home: str) -> dict[str, str]:
    """The environment of a run that finds an empty store and an empty disk, and a server that is up."""
    return {
        "GLUEFLOW_HOME": home,
        "GLUEFLOW_BUCKET": f"s3://{running.bucket}/{uuid4().hex}",
        "AWS_ENDPOINT_URL_S3": running.endpoint,
        "AWS_ACCESS_KEY_ID": running.access_key,
        "AWS_SECRET_ACCESS_KEY": running.secret_key,
        "AWS_REGION": "us-east-1",
        "PREFECT_API_URL": running.api_url,
    }


def _run(module: tuple[str, ...], environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", *module]
    subprocess.run(command, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
