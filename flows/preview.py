"""What a run would do, without doing it: for each step its key, whether it would be reused, and why not."""

from typing import Any

from tasks.core.artifact import find
from tasks.core.manifest import Manifest
from tasks.core.plan import plan
from tasks.core.specs import GlueRun
from tasks.core.store import Store


def preview(request: GlueRun, store: Store) -> dict[str, Any]:
    """The plan as `glueflow plan --json` prints it; writes nothing."""
    planned = plan(request)
    manifests: dict[str, Manifest] = {}
    steps = []
    for step in planned.steps:
        waiting = [name for name in step.inputs if name not in manifests]
        if waiting:
            state, reason = "build", f"{waiting[0]} is built first"
        else:
            finding = find(store, step, {name: manifests[name] for name in step.inputs})
            forced = step.step in request.force
            state, reason = (
                ("build", "forced")
                if forced
                else (("reuse", "") if finding.state == "sound" else ("build", finding.reason))
            )
            if finding.manifest and state == "reuse":
                manifests[step.step] = finding.manifest
        steps.append({"name": step.step, "key": step.key, "state": state, "reason": reason})
    return {
        "task": request.task,
        "data": planned.data.revision,
        "checkpoint": planned.checkpoint.revision,
        "steps": steps,
    }
