"""A verdict in Prefect's UI: a markdown artifact, where a server is configured or the local one runs.

A refusal is an event too, `glueflow.promotion.refused` of `glueflow.model.<name>`, with the verdict as its payload, for
automations such as that of `glueflow deploy --webhook`.
"""

import os
import re
from typing import TYPE_CHECKING

from flows import screen
from infra import stack
from tasks.core.history import Move
from tasks.core.settings import Settings
from tasks.core.verdicts import Verdict

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

REFUSED = "glueflow.promotion.refused"


def publish(known: Settings, verdict: Verdict, move: Move | None) -> None:
    """Show the verdict under Artifacts. It is in the store already: a server that is away is told, and stops nobody."""
    running = None if known.api_url else stack.current(known.home)
    address = known.api_url or (running.api_url if running else "")
    if not address:
        return
    os.environ["PREFECT_API_URL"] = address
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    from httpx import HTTPError
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import ArtifactCreate

    key = re.sub(r"[^a-z0-9]+", "-", f"verdict-{verdict.name}-{verdict.version}")
    title = f"{verdict.name}@{verdict.version} as {verdict.alias}: {outcome(verdict, move)}"
    shown = ArtifactCreate(key=key, type="markdown", data=markdown(verdict, move), description=title)
    try:
        with get_client(sync_client=True) as client:
            client.create_artifact(shown)
            if move is None:
                _tell_refusal(client, verdict)
    except HTTPError as error:
        screen.say(f"the verdict is not shown in the UI and not told: {address} did not take it ({error})")


def _tell_refusal(client: "SyncPrefectClient", verdict: Verdict) -> None:
    """Sent at once and answered, where Prefect's `emit_event` would send it later and say nothing if it cannot."""
    from prefect.events import Event

    resource = {
        "prefect.resource.id": f"glueflow.model.{verdict.name}",
        "prefect.resource.name": f"{verdict.name}@{verdict.version}",
    }
    event = Event(event=REFUSED, resource=resource, payload=verdict.model_dump(mode="json"))
    client.request("POST", "/events", json=[event.model_dump(mode="json")])


def outcome(verdict: Verdict, move: Move | None) -> str:
    return verdict.decision if move is None or not move.forced else f"forced ({escape(move.reason)})"


def markdown(verdict: Verdict, move: Move | None) -> str:
    """The verdict as a page: what was decided and why, then its numbers."""
    lines = [f"# {verdict.name}@{verdict.version}: {outcome(verdict, move)}", "", escape(verdict.reason), ""]
    if numbers := verdict.numbers:
        rows = {
            "metric": numbers.metric,
            "test": numbers.test,
            "challenger": f"{numbers.challenger:.4f}",
            "champion" if verdict.champion else "best constant answer": f"{numbers.champion:.4f}",
            "difference": f"{numbers.difference:+.4f}",
            f"{numbers.confidence:.0%} interval": f"{numbers.low:+.4f} to {numbers.high:+.4f}",
            "p": f"{numbers.p:.4f}",
            "examples": f"{numbers.n}",
            "only the challenger right": f"{numbers.better}",
            "only the champion right": f"{numbers.worse}",
            "margin": f"{verdict.margin:g}",
        }
        lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return "\n".join([*lines, "", escape(f"{verdict.at} by {verdict.by}, data {verdict.data}")])


def escape(text: str) -> str:
    """Text that Markdown and HTML show as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#|!~&])", r"\\\1", text)
