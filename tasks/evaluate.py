"""Predictions and official metrics on the validation splits, as a Prefect task; the work is tasks/steps/evaluate.py."""

from prefect import task
from prefect.client.schemas.objects import State

from tasks.core.artifact import Outcome
from tasks.core.plan import PlannedStep
from tasks.policy import Inputs, perform, step_options


@task(**step_options("evaluate"))
def evaluate(step: PlannedStep, inputs: Inputs, force: bool = False) -> State[Outcome]:
    return perform(step, inputs, force)
