"""One run, from a request to a registered model: plan, fetch, tokenize, fine-tune, evaluate, register."""

from collections.abc import Collection
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger

from flows.reused import summary
from flows.shown import metered, show, tag
from tasks.core import runs, trackers
from tasks.core.ancestor import ancestor
from tasks.core.artifact import Outcome
from tasks.core.errors import Damaged
from tasks.core.gpus import enough
from tasks.core.plan import Plan, plan
from tasks.core.process import prepare
from tasks.core.settings import settings
from tasks.core.specs import GlueRun, StepName
from tasks.encode import encode
from tasks.evaluate import evaluate
from tasks.fetch import fetch
from tasks.finetune import finetune
from tasks.policy import name_preemption, store_of
from tasks.register import register

TASKS = {"fetch": fetch, "encode": encode, "finetune": finetune, "evaluate": evaluate, "register": register}


@flow(
    name="glue",
    flow_run_name="glue-{run.task}-seed{run.seed}",
    persist_result=False,
    log_prints=False,
    on_crashed=[name_preemption],
)
def glue(run: GlueRun = GlueRun()) -> dict[str, Any]:  # noqa: B008  # frozen, and a quick run in the UI needs a default
    """Fine-tune a checkpoint on a GLUE task and register the result. Steps that are there already are reused."""
    known = settings()
    tag(run)
    trackers.named(known)
    planned = plan(run)
    store_of(known).check()
    if not store_of(known).sizes(planned.step("finetune").folder):  # what is trained already needs no device
        enough(known, run.training.devices)
        prepare(known)
    runs.begin(store_of(known), planned, known.lease)
    force: Collection[StepName] = run.force
    with metered(f"{run.task}-seed{run.seed}"):
        for _ in planned.steps:
            try:
                return _walk(planned, force)
            except Damaged as error:  # found on reading, and set aside: the next walk builds that step alone
                get_run_logger().warning("%s", error)
                force = ()
        return _walk(planned, force)


def _walk(planned: Plan, force: Collection[StepName]) -> dict[str, Any]:
    """Every step in order, each from the entries of those before it."""
    manifests = ancestor(store_of(settings()), planned)
    steps = []
    for step in planned.steps:
        inputs = {name: manifests[name] for name in step.inputs}
        state: State[Any] = TASKS[step.step](step, inputs, force=step.step in force, return_state=True)
        outcome: Outcome = state.result()
        manifests[step.step] = outcome.manifest
        steps.append({"name": step.step, "key": step.key, "state": outcome.state, "seconds": round(outcome.seconds, 3)})
        steps[-1]["reason"] = outcome.reason
    result = {**summary(planned, manifests), "steps": steps}
    for suspicion in result["suspicions"]:
        get_run_logger().warning("%s", suspicion)
    show(planned, result)
    return result
