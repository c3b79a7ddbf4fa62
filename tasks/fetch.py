"""The data of one task at one revision, as a Prefect task; the work is tasks/steps/fetch.py."""

from prefect import task
from prefect.client.schemas.objects import State

from tasks.core.artifact import Outcome
from tasks.core.plan import PlannedStep
from tasks.policy import Inputs, perform, step_options


@task(**step_options("fetch"))
def fetch(step: PlannedStep, inputs: Inputs, force: bool = False) -> State[Outcome]:
    return perform(step, inputs, force)
