"""The suite as a flow: tasks x seeds, MNLI before the runs that start from it; each run in a process of its own.

What is there already is read from the store and starts nothing. A run that fails costs none of the others but those
that start from its model. Nothing is built twice, whoever else is at it: that is what leases are for.
"""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from threading import Event, Thread
from typing import Annotated, Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from pydantic import Field

from flows.reused import reused
from tasks.core.command import command
from tasks.core.process import root
from tasks.core.progress import Progress, report, turn
from tasks.core.settings import settings
from tasks.core.specs import GlueRun
from tasks.core.suite import Suite, cells, title
from tasks.policy import name_preemption, store_of

PATIENCE = 40.0  # seconds that a run may take to end: its training saves its state within 25
Row = dict[str, Any]
_children: set["subprocess.Popen[str]"] = set()
_ending = Event()


@task(name="cell", task_run_name="{name}", cache_policy=NO_CACHE, persist_result=False, retries=0)
def cell(name: str, request: GlueRun, threads: int) -> State[Row]:
    """One run: read from the store if it is all there, else done in a process of its own."""
    found = None if request.force else reused(store_of(settings()), request)
    if found:
        turn(name, "reused", found["metrics"])
        return Completed(name="Cached", message="every step is there", data={**found, "state": "reused"})
    turn(name, "running")
    answer = carry_out(name, request, threads)
    if "error" in answer:
        row = {"task": request.task, "seed": request.seed, "state": "failed", **answer["error"]}
        turn(name, "failed")
        return Failed(message=row["message"], data={**row, "resume": command("run", request)})
    turn(name, "built", answer["result"]["metrics"])
    return Completed(message="registered", data={**answer["result"], "state": "built"})


@flow(name="benchmark", flow_run_name="benchmark", persist_result=False, on_crashed=[name_preemption])
def benchmark(suite: Suite = Suite(), threads: Annotated[int, Field(ge=0)] = 0) -> State[list[Row]]:  # noqa: B008  # frozen
    """Every run of the suite that is not there yet, and what came of all of them.

    Args:
        suite: tasks x seeds
        threads: of a run; 0: one a core
    """
    _ending.clear()
    futures: dict[tuple[str, int], PrefectFuture[Any]] = {}
    try:
        for request in cells(suite):
            turn(title(request), "waiting")
            first = futures.get(("mnli", request.seed)) if request.transfer else None
            futures[request.task, request.seed] = cell.submit(
                title(request), request, threads, wait_for=[first] if first else None, return_state=False
            )
        rows = [outcome(request, futures[request.task, request.seed]) for request in cells(suite)]
    except BaseException:
        _end_all()
        raise
    failed = [row for row in rows if row["state"] in ("failed", "not run")]
    if failed:
        return Failed(message=f"{len(failed)} of {len(rows)} runs did not succeed", data=rows)
    return Completed(message=f"{len(rows)} runs", data=rows)


def outcome(request: GlueRun, future: PrefectFuture[Any]) -> Row:
    """What came of a run; a failure has the command that goes on from there."""
    future.wait()
    state = future.state
    if state.name == "NotReady":
        turn(title(request), "not run")
        why = f"it starts from the MNLI model of seed {request.seed}, whose run failed"
        row = {"task": request.task, "seed": request.seed, "state": "not run", "kind": "Transfer", "message": why}
        return {**row, "resume": f"{command('run', request.ancestor or request)} && {command('run', request)}"}
    found = state.result(raise_on_failure=False)
    if isinstance(found, dict):
        return found
    row = {"task": request.task, "seed": request.seed, "state": "failed", "kind": type(found).__name__}
    return {**row, "message": str(found) or state.message or "", "resume": command("run", request)}


def carry_out(name: str, request: GlueRun, threads: int) -> Mapping[str, Any]:
    """Run it in a process of its own; its result, or the error that ended it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root(), os.environ.get("PYTHONPATH")]))}
    if threads:
        environment["GLUEFLOW_THREADS"] = str(threads)
    child = subprocess.Popen(
        [sys.executable, "-m", "flows.cell"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _children.add(child)
    if _ending.is_set():
        child.terminate()
    assert child.stdin is not None  # noqa: S101  # all three are pipes
    assert child.stdout is not None  # noqa: S101  # as above
    tail: deque[str] = deque(maxlen=20)
    Thread(target=lambda: tail.extend(child.stderr or ()), daemon=True).start()
    child.stdin.write(request.model_dump_json())
    child.stdin.close()
    answer: Mapping[str, Any] = {}
    for line in child.stdout:
        event = json.loads(line)
        if "what" in event:
            report(Progress(**{**event, "run": name, "state": "running"}))
        else:
            answer = event
    status = child.wait()
    _children.discard(child)
    last = tail[-1].strip() if tail else ""
    return answer or {"error": {"kind": "Crashed", "message": f"its process ended with status {status}: {last}"}}


def _end_all() -> None:
    """Have every run end and save what it can."""
    _ending.set()
    for child in tuple(_children):
        child.terminate()
    for child in tuple(_children):
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
