"""Every split as token ids, as a Prefect task; the work is tasks/steps/encode.py."""

from prefect import task
from prefect.client.schemas.objects import State

from tasks.core.artifact import Outcome
from tasks.core.plan import PlannedStep
from tasks.policy import Inputs, perform, step_options


@task(**step_options("encode"))
def encode(step: PlannedStep, inputs: Inputs, force: bool = False) -> State[Outcome]:
    return perform(step, inputs, force)
