"""`glueflow benchmark`: tasks x seeds in one command, with the figures that a reviewer asks for."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators

from flows import report, screen, services
from flows.board import board
from flows.screen import Json
from tasks.core.catalog import TRAINABLE, Trainable
from tasks.core.command import command
from tasks.core.errors import WrongRequest
from tasks.core.gpus import at_once
from tasks.core.plan import plan
from tasks.core.score import glue_score
from tasks.core.settings import settings
from tasks.core.specs import SuiteOptions, Training
from tasks.core.suite import Suite, cells

Tasks = Annotated[tuple[Trainable, ...], Parameter(consume_multiple=True, help="GLUE configurations.")]
Seeds = Annotated[tuple[int, ...], Parameter(consume_multiple=True, help="One run a task and seed.")]
Parallel = Annotated[
    int | None, Parameter(validator=validators.Number(gte=1, lte=64), help="Runs at once; one a GPU if not said.")
]
Submission = Annotated[Path | None, Parameter(help="Leaderboard zip to write, answered by each task's best seed.")]
Against = Annotated[str | None, Parameter(help="Another checkpoint: run the same suite from it too, and compare.")]
Options = Annotated[SuiteOptions, Parameter(name="*")]
Train = Annotated[Training, Parameter(name="*")]
DEFAULTS, TRAINING = SuiteOptions(), Training()


def benchmark(
    *,
    tasks: Tasks = TRAINABLE,
    seeds: Seeds = (1, 2, 3),
    max_parallel: Parallel = None,
    submission: Submission = None,
    against: Against = None,
    options: Options = DEFAULTS,
    training: Train = TRAINING,
    as_json: Json = False,
) -> None:
    """Run tasks x seeds, and say how good, how sure, and beside whom. What is there already is reused."""
    suite = Suite(tasks=tasks, seeds=seeds, training=training, **options.model_dump())
    other = suite.model_copy(update={"checkpoint": against}) if against else None
    for each in filter(None, (suite, other)):
        _refuse(each)
    if submission:
        from tasks.data.leaderboard import check

        check(submission)
    max_parallel = max_parallel or at_once(settings(), training.devices)
    threads = settings().threads or (max(1, (os.cpu_count() or 1) // max_parallel) if max_parallel > 1 else 0)
    with services.prefect(settings()) as ui:
        from prefect.client.schemas.objects import State
        from prefect.task_runners import ThreadPoolTaskRunner

        from flows.benchmark import benchmark as flow
        from flows.submission import write
        from flows.versus import versus

        def carried_out(asked: Suite) -> list[dict[str, Any]]:
            runner: Any = ThreadPoolTaskRunner(max_workers=max_parallel)
            with board(f"benchmark of {asked.checkpoint}"):
                state: State[Any] = flow.with_options(task_runner=runner)(asked, threads, return_state=True)
            rows = state.result(raise_on_failure=False)
            if isinstance(rows, BaseException):
                raise rows
            return list(rows)

        rows = carried_out(suite)
        others = carried_out(other) if other else []
        with screen.progress():
            compared = versus((suite, rows), (other, others)) if other else []
            sheets = write(submission, suite, rows) if submission else []
    result = figures(suite, rows) | {"submission": sheets, "against": against, "comparison": compared}
    result["failed"] += [row for row in others if "metrics" not in row]
    if as_json:
        screen.print_json(result)
    else:
        report.of_suite(result)
        screen.say(f"next: {_next(result)}  ·  {ui}")
    if result["failed"]:
        sys.exit(1)


def _next(result: dict[str, Any]) -> str:
    """What to type: what goes on from the failures, or else judges the first task's versions together."""
    if result["failed"]:
        return str(result["again"])
    first = result["runs"][0]["task"]
    versions = dict.fromkeys(row["model"]["version"] for row in result["runs"] if row["task"] == first)
    return shlex.join(["glueflow", "models", "promote", *(f"{first}@{version}" for version in versions)])


def figures(suite: Suite, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All that the report shows, as `glueflow benchmark --json` prints it."""
    from tasks.models.summary import beside_published, summary

    done = [row for row in rows if "metrics" in row]
    tasks = summary(done)
    score = glue_score(
        {task: {row["metric"]: row["mean"] for row in tasks if row["task"] == task} for task in suite.tasks}
    )
    return {
        "runs": rows,
        "tasks": tasks,
        "published": beside_published(tasks),
        "score": vars(score) | {"partial": score.is_partial} if score else None,
        "failed": [row for row in rows if "metrics" not in row],
        "again": command("benchmark", suite),
    }


def _refuse(suite: Suite) -> None:
    """Raise WrongRequest if not one run of the suite can be carried out."""
    first: WrongRequest | None = None
    for request in cells(suite):
        try:
            plan(request)
        except WrongRequest as error:
            first = first or error
        else:
            return
    assert first  # noqa: S101  # a suite has a run
    raise first
