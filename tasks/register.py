"""The checkpoint as a version of a named model, as a Prefect task; the work is tasks/steps/register.py."""

from functools import partial

from prefect import task
from prefect.client.schemas.objects import State

from tasks.core.artifact import Outcome
from tasks.core.plan import PlannedStep
from tasks.core.settings import settings
from tasks.policy import Inputs, perform, step_options, store_of


@task(**step_options("register"))
def register(step: PlannedStep, inputs: Inputs, force: bool = False) -> State[Outcome]:
    from tasks.steps.register import missing, run

    store = store_of(settings())
    return perform(step, inputs, force, partial(run, store, step, inputs), partial(missing, store))
