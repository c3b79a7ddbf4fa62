"""Prefect's side of a step: what it is called, what is retried and after how long, and how a reused step looks.

Prefect's own result cache is left out of it. Its records are not checksummed, its look-up turns a storage fault into
"not cached", and a record names its own deserializer. The entry in our store is the truth; a step that reuses it ends
in the state `Cached`, which the UI shows as Prefect's own cache hits.
"""

import logging
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from prefect import Flow
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler
from prefect.states import Completed, Crashed

from tasks.core.artifact import Build, Check, Outcome, get_or_build
from tasks.core.errors import GlueflowError
from tasks.core.manifest import Manifest
from tasks.core.plan import PlannedStep
from tasks.core.process import run_step
from tasks.core.settings import Settings, settings
from tasks.core.specs import LABELS
from tasks.core.store import Store, open_store

Inputs = Mapping[str, Manifest]
_to_ui = APILogHandler()
_to_ui.addFilter(lambda _: bool(FlowRunContext.get() or TaskRunContext.get()))
logging.getLogger("tasks").setLevel(logging.INFO)
logging.getLogger("tasks").addHandler(_to_ui)  # what any of our modules says within a run is shown with it


def step_options(name: str) -> dict[str, Any]:
    """The task's options: growing delays between tries, and no second try at what cannot succeed."""
    known, label = settings(), LABELS.get(name, name)
    return {
        "name": label,
        "task_run_name": label,
        "retries": known.retries,
        "retry_delay_seconds": [known.retry_delay * 2**attempt for attempt in range(known.retries)],
        "retry_condition_fn": may_pass,
        "cache_policy": NO_CACHE,
        "persist_result": False,
    }


def may_pass(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    """Whether the failure may pass by itself. An error that we did not foresee is given its retries too."""
    error = state.result(raise_on_failure=False)
    return error.retryable if isinstance(error, GlueflowError) else True


def perform(
    step: PlannedStep, inputs: Inputs, force: bool, build: Build | None = None, check: Check | None = None
) -> State[Outcome]:
    """Reuse or build the step; by default its work is done in a process of its own."""
    known = settings()
    work = build or partial(run_step, known, step)
    outcome = get_or_build(store_of(known), known, step, inputs, work, force, check)
    if outcome.state == "reused":
        return Completed(name="Cached", message=f"reused {step.folder}", data=outcome)
    return Completed(message=f"built {step.folder}: {outcome.reason}", data=outcome)


def name_preemption(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001  # a hook's signature is Prefect's
    """Show a run that was told to end (SIGTERM) as Preempted, which says more than Prefect's Crashed does.

    Not one of a deployment: an automation may be scheduling it again already, and to rename it then would end it.
    """
    if "termination signal" in (state.message or "") and not flow_run.deployment_id:
        message = "told to end; what was finished or saved stays, and another try goes on from there"
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run.id, Crashed(name="Preempted", message=message), force=True)


@cache
def store_of(known: Settings) -> Store:
    """One client a process: making one costs more than most questions to it."""
    return open_store(known)
