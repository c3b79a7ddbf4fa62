"""The checkpoint as a version of a named model, as a Prefect task; the work is tasks/steps/register.py."""

from functools import partial

from prefect import task
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext

from tasks.core.artifact import Outcome
from tasks.core.origin import started
from tasks.core.plan import PlannedStep
from tasks.core.registration import lacking
from tasks.core.settings import settings
from tasks.policy import Inputs, perform, step_options, store_of


@task(**step_options("register"))
def register(step: PlannedStep, inputs: Inputs, force: bool = False) -> State[Outcome]:
    from tasks.steps.register import run

    store, key = store_of(settings()), settings().signing_key
    build = partial(run, store, step, inputs, started=_started(), key=key)
    return perform(step, inputs, force, build, partial(lacking, store, key=key))


def _started() -> dict[str, str]:
    """Who and what started the flow run that this is part of."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None:
        return started()
    if run.deployment_id is None:
        return {**started(), "flow_run": str(run.id)}
    by = "schedule" if run.auto_scheduled else "deployment, run by hand or through the API"
    return {**started(), "by": by, "flow_run": str(run.id), "deployment": str(run.deployment_id)}
