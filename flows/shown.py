"""What a run shows in the UI when it has built something: how far it is, and then a page with scores and lineage.

    with metered("mrpc-seed42"): …   ->  a progress artifact `progress-mrpc-seed42`: 17 %, "train 120 of 690 steps"
    show(planned, result)            ->  an artifact `glue-mrpc-seed42`, whose history is that of the same request
    tag(request)                     ->  on the flow run: task:mrpc, data:sample, checkpoint:all-MiniLM-L6-v2

A run that reused everything writes no page and has no meter: its page is the one of the run that built it.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread
from typing import Any, cast
from uuid import UUID

from prefect.runtime import flow_run

from flows.recorded import tags
from tasks.core.plan import Plan
from tasks.core.progress import BESIDE, Progress, also_listening
from tasks.core.specs import GlueRun

EVERY = 5.0  # seconds between two looks of the UI's meter at the work, the first included
log = logging.getLogger("tasks.shown")
FOREIGN = re.compile(r"[^\w:/@.+=, ()-]")  # neither pipe, quote, square bracket nor backtick reaches the page


@contextmanager
def metered(name: str) -> Iterator[None]:
    """Within the block, work that takes more than a moment is seen in the UI. Told from a thread of its own: a server
    that is away delays no work and fails none."""
    seen: list[Progress] = []
    done = Event()

    def look(progress: Progress) -> None:
        if progress.what != BESIDE:
            seen[:] = [progress]

    thread = Thread(target=copy_context().run, args=(_tell, f"progress-{name}", seen, done), daemon=True)
    thread.start()
    try:
        with also_listening(look):
            yield
    finally:
        done.set()


def _tell(key: str, seen: list[Progress], done: Event) -> None:
    """Update the meter while it changes. What takes no longer than the first wait has none."""
    told, meter = None, _Meter(key)
    while not done.wait(EVERY):
        latest = seen[0] if seen else None
        if latest and latest.total and latest != told:
            meter.move(latest)
            told = latest


class _Meter:
    """A progress artifact, created when it is first moved."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.artifact: UUID | None = None

    def move(self, to: Progress) -> None:
        from httpx import HTTPError
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        share, words = 100 * to.done / to.total, f"{to.what}: {to.done:,} of {to.total:,} {to.unit}"
        try:
            if self.artifact is None:
                self.artifact = cast(UUID, create_progress_artifact(share, key=self.key, description=words))
            else:
                update_progress_artifact(self.artifact, share, description=words)
        except HTTPError as error:
            log.warning("progress is not shown: %s", error)


def tag(request: GlueRun) -> None:
    """Add to the flow run what the UI's list of runs is to be filtered by. The steps have no tags: Prefect asks its
    server for a slot of each tagged task run, which is a request a step."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.update_flow_run(flow_run.id, tags=sorted({*flow_run.tags, *tags(request)}))


def show(planned: Plan, result: Mapping[str, Any]) -> None:
    """Write the page, unless every step was reused."""
    if any(step["state"] == "built" for step in result["steps"]):
        from prefect.artifacts import create_markdown_artifact

        key = f"glue-{planned.request.task}-seed{planned.request.seed}"
        text = page(planned, result, flow_run.id)
        create_markdown_artifact(text, key=key, description=f"registered as {_label(result)}")


def page(planned: Plan, result: Mapping[str, Any], run: str) -> str:
    """The page in Markdown, with the lineage as a mermaid graph."""
    parts = [
        f"# {planned.request.task}, seed {planned.request.seed}: {_label(result)}",
        "**The data are made up: the scores say nothing of a model.**" if result["synthetic"] else "",
        _scores(result),
        _steps(result),
        f"```mermaid\n{lineage(planned, result)}\n```",
        _links(result, run),
    ]
    return "\n\n".join(filter(None, parts))


def _links(result: Mapping[str, Any], run: str) -> str:
    """Where all of it is. The run's address is relative: it holds in both UIs, under whatever name the server has."""
    uri = plain(result["model"]["uri"])
    rows = {
        "run": f"[this run with its log](../../runs/flow-run/{run}?tab=Logs)",
        "model": f"`{uri}` · `glueflow models show {_label(result)}`",
        "report": f"`glueflow report run {_label(result)} --open`",
        "records": f"`{uri}/README.md`, the model card · `{uri}/provenance.json`",
    }
    return "\n".join(["| where | |", "|---|---|", *(f"| {name} | {what} |" for name, what in rows.items())])


def _scores(result: Mapping[str, Any]) -> str:
    rows = ["| metric | score | interval (95 %) | majority class |", "|---|---:|---|---:|"]
    for name, score in result["metrics"].items():
        low, high = result["intervals"].get(name) or (None, None)
        interval = "" if low is None else f"{low:.4f} – {high:.4f}"
        majority = result["majority"].get(name)
        rows.append(f"| {name} | {score:.4f} | {interval} | {'' if majority is None else f'{majority:.4f}'} |")
    return "\n".join(rows)


def _steps(result: Mapping[str, Any]) -> str:
    rows = ["| step | state | seconds | key | why |", "|---|---|---:|---|---|"]
    for step in result["steps"]:
        why = plain(step["reason"])
        rows.append(f"| {step['name']} | {step['state']} | {step['seconds']:.1f} | `{step['key'][:12]}` | {why} |")
    return "\n".join(rows)


def lineage(planned: Plan, result: Mapping[str, Any]) -> str:
    """From data and checkpoint to the version, as a mermaid graph; what was built now is drawn bold."""
    lines = ["flowchart LR", f'  data["{plain(planned.data.revision)}"] --> fetch']
    lines.append(f'  checkpoint["{plain(planned.checkpoint.revision)}"] --> encode & finetune')
    for step in planned.steps:
        lines.append(f'  {step.step}["{step.step} {step.key[:12]}"]')
        lines += [f"  {name} --> {step.step}" for name in step.inputs]
    lines.append(f'  register --> model(["{_label(result)}"])')
    built = [step["name"] for step in result["steps"] if step["state"] == "built"]
    return "\n".join([*lines, "  classDef built stroke-width:3px", f"  class {','.join(built)} built"])


def plain(text: str) -> str:
    """The text without what Markdown, HTML or mermaid would take for their own; digests are cut to 12 digits."""
    return re.sub(r"[0-9a-f]{40,64}", lambda found: found[0][:12], FOREIGN.sub(" ", text))


def _label(result: Mapping[str, Any]) -> str:
    return f"{result['model']['name']}@{result['model']['version']}"
