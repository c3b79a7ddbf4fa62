"""What the server does by itself with runs of our deployments: it notices the dead, resumes them, tells of failures.

A run sends a heartbeat every `heartbeat` seconds. One that is silent for three of them has nobody who works on it: it
becomes Crashed, and is scheduled again, so that a worker goes on from what was finished or saved. That is bounded by
the run's own count, which is part of the event; what crashed before it began is not resumed at all.
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from flows.verdict import REFUSED
from tasks.core.errors import WrongRequest

BEATS = 3  # heartbeats that may be missed
RUN = "prefect.flow-run"
RESUMING = "Resuming"
SILENT, RESUMED = "silent runs are crashed", "crashed runs are resumed"
FAILURES, REFUSALS = "failures are told", "refused promotions are told"
ALL = (SILENT, RESUMED, FAILURES, REFUSALS)
TOLD = """{"event": {{ event.event | tojson }}, "name": {{ event.resource.name | tojson }},
"id": {{ event.resource.id | tojson }}, "payload": {{ event.payload | tojson }}}"""  # what a webhook hears


def webhook(client: SyncPrefectClient, name: str) -> UUID | None:
    """The Webhook block of that name, if one is given; its address is a secret, and so lies in a block alone."""
    if not name:
        return None
    try:
        return client.read_block_document_by_name(name, "webhook").id
    except ObjectNotFound:
        hint = "save it first: prefect.blocks.webhook.Webhook(url=…).save(NAME)"
        raise WrongRequest.of("webhook", name, f"there is no such block; {hint}") from None


def automations(
    name: str, deployments: Collection[UUID], silence: float, resumptions: int, tell: UUID | None
) -> list[AutomationCore]:
    """The automations for runs of those deployments, called by that name; `silence` in seconds."""
    ours = {
        "prefect.resource.role": "deployment",
        "prefect.resource.id": [f"prefect.deployment.{each}" for each in deployments],
    }
    zombies = EventTrigger(
        posture=Posture.Proactive,
        match={"prefect.resource.id": f"{RUN}.*"},
        match_related=ours,
        after={f"{RUN}.heartbeat"},
        expect={f"{RUN}.*"},
        for_each={"prefect.resource.id"},
        threshold=1,
        within=timedelta(seconds=silence),
    )
    crashed = EventTrigger(
        match={
            "prefect.resource.id": f"{RUN}.*",
            "prefect.run-count": [str(count) for count in range(1, resumptions + 1)],
        },
        match_related=ours,
        expect={f"{RUN}.Crashed"},
        for_each={"prefect.resource.id"},
    )
    failed = EventTrigger(
        match={"prefect.resource.id": f"{RUN}.*"},
        match_related=ours,
        expect={f"{RUN}.Failed", f"{RUN}.Crashed"},
        for_each={"prefect.resource.id"},
    )
    refused = EventTrigger(expect={REFUSED}, for_each={"prefect.resource.id"})  # whoever asked, wherever
    crash = ChangeFlowRunState(state=StateType.CRASHED, message=f"gave no sign of life for {silence:.0f} s")
    resume = ChangeFlowRunState(
        state=StateType.SCHEDULED, name=RESUMING, message="goes on from what was finished or saved"
    )
    found = [AutomationCore(name=f"{name}: {SILENT}", trigger=zombies, actions=[crash])]
    if resumptions:
        found.append(AutomationCore(name=f"{name}: {RESUMED}", trigger=crashed, actions=[resume]))
    if tell:
        call = CallWebhook(block_document_id=tell, payload=TOLD)
        found.append(AutomationCore(name=f"{name}: {FAILURES}", trigger=failed, actions=[call]))
        found.append(AutomationCore(name=f"{name}: {REFUSALS}", trigger=refused, actions=[call]))
    return found


def create(client: SyncPrefectClient, name: str, wanted: Collection[AutomationCore]) -> None:
    """Create the automations, update those that are there, and remove the one that is no longer wanted."""
    there = {each.name: each.id for what in ALL for each in _named(client, f"{name}: {what}")}
    for automation in wanted:
        said = automation.model_dump(mode="json", exclude={"owner_resource"})
        whole = AutomationCore.model_validate(said)  # an update sends only what was set
        if automation.name in there:
            client.update_automation(there.pop(automation.name), whole)
        else:
            client.create_automation(whole)
    for left in there.values():
        client.delete_automation(left)


def _named(client: SyncPrefectClient, name: str) -> list[Automation]:
    return client.read_automations_by_name(name)
