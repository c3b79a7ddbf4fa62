"""Answers for the leaderboard: the test splits predicted by chosen runs' models, and the zip that holds them."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.glue import TASKS
from tasks.answer import answer
from tasks.core import registry, runs
from tasks.core.answers import answers, diagnostics
from tasks.core.artifact import Outcome, find, local_copy
from tasks.core.errors import Unavailable, WrongRequest
from tasks.core.manifest import Manifest
from tasks.core.plan import Plan, PlannedStep, plan
from tasks.core.settings import settings
from tasks.core.specs import GlueRun
from tasks.core.suite import Suite, cells
from tasks.policy import store_of


@flow(name="submission", flow_run_name="submission", persist_result=False)
def submission(requests: tuple[GlueRun, ...]) -> dict[str, Any]:
    """The entries of the answers by task, AX with those of MNLI, and why a task has none; all requests were run."""
    found: dict[str, Manifest] = {}
    missing: dict[str, str] = {}
    for request in requests:
        planned = plan(request)
        steps = answers(planned)
        if request.task == "mnli":
            try:
                steps += diagnostics(planned)
            except WrongRequest as error:
                missing["ax"] = str(error)
        runs.begin(store_of(settings()), replace(planned, steps=(*planned.steps, *steps)), settings().lease)
        found |= _answered(planned, steps)
    return {"answers": found, "missing": missing}


def _answered(planned: Plan, steps: Sequence[PlannedStep]) -> dict[str, Manifest]:
    """The answers of one run's model, by task."""
    there: dict[str, Manifest] = {}
    for step in planned.steps:
        finding = find(store_of(settings()), step, {})
        if finding.manifest is None or finding.state != "sound":
            raise Unavailable(f"submission: {step.step} of {planned.request.task} is gone; run the same command again")
        there[step.key] = finding.manifest
    found = {}
    for step in steps:
        inputs = {name: there[key] for name, key in step.inputs.items()}
        task = answer if step.step == "answer" else TASKS[step.step]
        state: State[Any] = task(step, inputs, return_state=True)
        outcome: Outcome = state.result()
        there[step.key] = outcome.manifest
        if step.step == "answer":
            found[step.spec.task] = outcome.manifest
    return found


def best(suite: Suite, rows: Sequence[Mapping[str, Any]]) -> tuple[GlueRun, ...]:
    """Each task's run with the best validation score: its metrics' mean, the lowest seed of equals."""
    scores = {(row["task"], row["seed"]): sum(row["metrics"].values()) for row in rows if "metrics" in row}
    found: dict[str, GlueRun] = {}
    for request in cells(suite):
        score, other = scores.get((request.task, request.seed)), found.get(request.task)
        if score is not None and (other is None or score > scores[other.task, other.seed]):
            found[request.task] = request
    return tuple(found.values())


def write(out: Path, suite: Suite, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Predict what is not predicted yet, and write the zip and its side file; one row a file."""
    from tasks.data import leaderboard

    chosen = best(suite, rows)
    result = submission(chosen)
    models = {row["task"]: row["model"] for row in rows if any(_is_of(row, request) for request in chosen)}
    failed = {row["task"]: row["message"] for row in rows if "metrics" not in row}
    store, known = store_of(settings()), settings()
    with ExitStack() as held:
        sheets = {}
        for task, manifest in result["answers"].items():
            model = models["mnli" if task == "ax" else task]
            version = registry.load(store, model["name"], model["version"])
            folder = held.enter_context(local_copy(store, known, manifest))
            sheets[task] = leaderboard.Answers(folder, f"{version.name}@{version.version}", version.content)
        return [asdict(sheet) for sheet in leaderboard.write(out, sheets, failed | result["missing"])]


def _is_of(row: Mapping[str, Any], request: GlueRun) -> bool:
    return "metrics" in row and (row["task"], row["seed"]) == (request.task, request.seed)
