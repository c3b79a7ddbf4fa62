"""What a run would do, without doing it: for each step its key, whether it would be reused, and why not."""

from typing import Any

from tasks.core.ancestor import ancestor
from tasks.core.artifact import find, why
from tasks.core.errors import GlueflowError
from tasks.core.manifest import Manifest
from tasks.core.plan import Plan
from tasks.core.store import Store


def preview(planned: Plan, store: Store) -> dict[str, Any]:
    """The plan as `glueflow plan --json` prints it; writes nothing."""
    manifests: dict[str, Manifest] = {}
    lacking = ""
    try:
        manifests |= ancestor(store, planned)
    except GlueflowError as error:
        lacking = str(error)
    steps = []
    for step in planned.steps:
        finding = find(store, step, {name: manifests[name] for name in step.inputs if name in manifests})
        whole = all(name in manifests for name in step.inputs)
        if finding.manifest and finding.state == "sound" and whole and step.step not in planned.request.force:
            manifests[step.step] = finding.manifest
            steps.append({"name": step.step, "key": step.key, "state": "reuse", "reason": ""})
        else:
            reason = why(store, step, finding) if whole or finding.state == "absent" else "an input is built first"
            reason = lacking if lacking and "transfer" in step.inputs else reason
            steps.append({"name": step.step, "key": step.key, "state": "build", "reason": reason})
    return {
        "task": planned.request.task,
        "data": planned.data.revision,
        "checkpoint": planned.checkpoint.revision,
        "steps": steps,
    }
