"""One training, to the best epoch's weights, as a Prefect task; the work is tasks/steps/finetune.py.

Its state is kept in the store while it goes on. A retry, another machine or a new run with the same key continues from
the newest state that is whole; a forced run begins anew.
"""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State
from prefect.runtime import task_run

from tasks.core.artifact import Facts, Folders, Outcome
from tasks.core.plan import PlannedStep
from tasks.core.process import run_step
from tasks.core.resume import clear
from tasks.core.settings import settings
from tasks.policy import Inputs, perform, step_options, store_of


@task(**step_options("finetune"))
def finetune(step: PlannedStep, inputs: Inputs, force: bool = False) -> State[Outcome]:
    known = settings()
    store = store_of(known)

    def train(out: Path, folders: Folders) -> Facts:
        if force and task_run.run_count == 1:
            clear(store, step.key)
        return run_step(known, step, out, folders, saves=store)

    state = perform(step, inputs, force, train)
    if state.name != "Cached":
        clear(store, step.key)
    return state
