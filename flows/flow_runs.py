"""The flow runs of a backfill's slots: made from a deployment, looked at, cancelled.

Prefect's server may be away for minutes: what is asked of it is asked again until it answers.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling, Crashed

from tasks.core.errors import Unavailable, WrongRequest
from tasks.core.ledger import Ledger, Slip, SlotState
from tasks.core.progress import Progress, heard, report
from tasks.core.specs import GlueRun

PATIENCE = 600.0  # seconds that the server may be away
ENDED: dict[StateType, SlotState] = {
    StateType.COMPLETED: "done",
    StateType.FAILED: "failed",
    StateType.CRASHED: "failed",
    StateType.CANCELLED: "cancelled",
}
Answer = TypeVar("Answer")


class FlowRuns:
    """Flow runs of one deployment; raises WrongRequest if there is no such deployment."""

    def __init__(self, client: SyncPrefectClient, deployment: str) -> None:
        self._client = client
        try:
            self._deployment = _asking(lambda: client.read_deployment_by_name(deployment)).id
        except ObjectNotFound:
            raise WrongRequest.of("deployment", deployment, "make it with `glueflow deploy`") from None

    def submit(self, ledger: Ledger, slip: Slip, request: GlueRun) -> Slip:
        """Have the slot run, unless that attempt does already; what is then in the ledger."""
        ledger.write(slip)
        made = _asking(
            lambda: self._client.create_flow_run_from_deployment(
                self._deployment,
                parameters={"run": request.model_dump(mode="json")},
                name=f"{slip.slot}-{slip.attempt}",
                idempotency_key=slip.idempotency_key(ledger.id),
            )
        )
        submitted = slip.model_copy(update={"flow_run": str(made.id)})
        ledger.write(submitted)
        return submitted

    def look(self, active: Mapping[str, Slip]) -> dict[str, FlowRun | None]:
        """The flow run of each slot as it is now, None if Prefect knows none."""
        if not active:
            return {}
        ids = [UUID(slip.flow_run) for slip in active.values()]
        found = _asking(
            lambda: self._client.read_flow_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids)), limit=len(ids)
            )
        )
        runs = {str(run.id): run for run in found}
        if heard():
            states = {name: run.state for name, run in runs.items()}
            self._tell(active, {name: (state.name or state.type).lower() for name, state in states.items() if state})
        return {name: runs.get(slip.flow_run) for name, slip in active.items()}

    def _tell(self, active: Mapping[str, Slip], states: Mapping[str, str]) -> None:
        """Report how far each has come, by the meter on its page in the UI."""
        ids = [UUID(name) for name in states]
        which = ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=ids), type=ArtifactFilterType(any_=["progress"])
        )
        found = _asking(lambda: self._client.read_artifacts(artifact_filter=which, limit=len(ids)))
        meters = {str(meter.flow_run_id): meter for meter in found}
        for name, slip in active.items():
            step, share = "", 0.0
            if meter := meters.get(slip.flow_run):
                step, share = (meter.description or "").partition(":")[0], float(str(meter.data))
            report(Progress(step, round(share), 100, "%", run=name, state=states.get(slip.flow_run, "unknown")))

    def cancel(self, slips: Iterable[Slip]) -> None:
        """Have their workers end them; their `outcomes` then tell when they have."""
        for slip in slips:
            _asking(partial(self._client.set_flow_run_state, slip.flow_run, Cancelling()))

    def give_up(self, slip: Slip, run: FlowRun, silence: float) -> Slip:
        """End a flow run that nobody works on, which would hold its place within the deployment's limit for ever."""
        why = f"no sign of life for {silence:.0f} s"
        if run.state_type == StateType.CANCELLING:
            state: State[None] = Cancelled(message=why)
        else:
            state = Crashed(name="Lost", message=why)
        _asking(lambda: self._client.set_flow_run_state(run.id, state))  # refused if it has ended meanwhile
        said = run.state.message if run.state and run.state_type == StateType.CRASHED else None
        return _with(slip, state.type, said or why)


def outcomes(active: Mapping[str, Slip], found: Mapping[str, FlowRun | None], hope: bool) -> dict[str, Slip]:
    """Those that are under way no more, by slot, with what came of them. With `hope` crashed ones may go on yet."""
    came: dict[str, Slip] = {}
    for name, slip in active.items():
        run = found[name]
        if run is None:
            came[name] = _with(slip, StateType.FAILED, "Prefect knows no such flow run")
        elif run.state and run.state.type in ENDED and not (hope and run.state.type == StateType.CRASHED):
            came[name] = _with(slip, run.state.type, run.state.message or "")
    return came


def _with(slip: Slip, state: StateType, message: str) -> Slip:
    return slip.model_copy(update={"state": ENDED[state], "message": message[:500]})


def _asking(ask: Callable[[], Answer]) -> Answer:
    deadline, pause = time.monotonic() + PATIENCE, 1.0
    while True:
        try:
            return ask()
        except HTTPError as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"prefect: its server is away ({error}); run the backfill again later") from error
            time.sleep(pause)
            pause = min(2 * pause, 30.0)
