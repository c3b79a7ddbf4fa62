"""The MNLI model that a run of RTE, MRPC or STS-B starts from: there and sound, or an error.

ancestor(store, plan(GlueRun(task="rte", transfer=True)))  ->  {"transfer": Manifest("finetune", "0b7e…")}

It is never replaced by the pretrained checkpoint: such a run would pass for what it is not.
"""

from tasks.core.artifact import find
from tasks.core.command import command
from tasks.core.errors import GlueflowError
from tasks.core.manifest import Manifest
from tasks.core.plan import Plan
from tasks.core.store import Store


def ancestor(store: Store, planned: Plan) -> dict[str, Manifest]:
    """The entry of the MNLI training by the name of the input that it is, nothing for a run without; raises
    GlueflowError unless it and what it was made from are sound."""
    if planned.ancestor is None:
        return {}
    manifests: dict[str, Manifest] = {}
    for step in planned.ancestor.steps:
        finding = find(store, step, {name: manifests[name] for name in step.inputs})
        if finding.manifest is None or finding.state != "sound":
            request = planned.request
            first = command("run", planned.ancestor.request)
            raise GlueflowError(
                f"transfer: {request.task} starts from the MNLI model of seed {request.seed}, which is not there: "
                f"{step.step}: {finding.reason}; first: {first}"
            )
        manifests[step.step] = finding.manifest
        if step.step == "finetune":
            break
    return {"transfer": manifests["finetune"]}
