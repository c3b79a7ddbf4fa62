"""One run, from a request to a registered model: plan, fetch, tokenize, fine-tune, evaluate, register."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.core.artifact import Outcome
from tasks.core.manifest import Manifest
from tasks.core.plan import plan
from tasks.core.settings import settings
from tasks.core.specs import GlueRun
from tasks.encode import encode
from tasks.evaluate import evaluate
from tasks.fetch import fetch
from tasks.finetune import finetune
from tasks.policy import store_of
from tasks.register import register

TASKS = {"fetch": fetch, "encode": encode, "finetune": finetune, "evaluate": evaluate, "register": register}


@flow(name="glue", flow_run_name="glue-{run.task}-seed{run.seed}", persist_result=False, log_prints=False)
def glue(run: GlueRun = GlueRun()) -> dict[str, Any]:  # noqa: B008  # frozen, and a quick run in the UI needs a default
    """Fine-tune a checkpoint on a GLUE task and register the result. Steps that are there already are reused."""
    planned = plan(run)
    store_of(settings()).check()
    manifests: dict[str, Manifest] = {}
    steps = []
    for step in planned.steps:
        inputs = {name: manifests[name] for name in step.inputs}
        state: State[Any] = TASKS[step.step](step, inputs, force=step.step in run.force, return_state=True)
        outcome: Outcome = state.result()
        manifests[step.step] = outcome.manifest
        steps.append({"name": step.step, "key": step.key, "state": outcome.state, "seconds": round(outcome.seconds, 3)})
    return {
        "task": run.task,
        "data": planned.data.revision,
        "checkpoint": planned.checkpoint.revision,
        "steps": steps,
        "metrics": manifests["evaluate"].facts["metrics"],
        "model": manifests["register"].facts,
    }
