"""A run of which every step is there already: its result, read without Prefect.

reused(store, GlueRun(task="mrpc"))  ->  {"task": "mrpc", "metrics": …, "steps": [{"state": "reused", …}, …]}, or None
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core import runs
from tasks.core.ancestor import ancestor
from tasks.core.artifact import find
from tasks.core.errors import GlueflowError
from tasks.core.manifest import Manifest
from tasks.core.plan import Plan, plan
from tasks.core.registration import lacking
from tasks.core.settings import settings
from tasks.core.specs import GlueRun
from tasks.core.store import Store


def reused(store: Store, request: GlueRun) -> dict[str, Any] | None:
    """The run's result if every step of it is there and sound; it is then kept from the collector like any run's."""
    planned, known = plan(request), settings()
    if request.force or not store.sizes(planned.step("register").folder + "/"):  # the last one: no record, no look
        return None
    runs.begin(store, planned, known.lease)
    manifests = there(store, planned, known.signing_key)
    if manifests is None:
        return None
    steps = [{"name": step.step, "key": step.key, "state": "reused", "seconds": 0.0} for step in planned.steps]
    return {**summary(planned, manifests), "steps": [{**step, "reason": ""} for step in steps]}


def there(store: Store, planned: Plan, key: Path | None = None) -> dict[str, Manifest] | None:
    """The entries of a run by step, if every one of them is there and sound, and the version signed if there is a key
    to sign it; writes nothing."""
    try:
        manifests = ancestor(store, planned)
    except GlueflowError:
        return None  # the run itself says so
    for step in planned.steps:
        check = partial(lacking, store, key=key) if step.step == "register" else None
        finding = find(store, step, {name: manifests[name] for name in step.inputs}, check)
        if finding.manifest is None or finding.state != "sound":
            return None
        manifests[step.step] = finding.manifest
    return manifests


def summary(planned: Plan, manifests: Mapping[str, Manifest]) -> dict[str, Any]:
    """What a run whose steps are all there says of itself."""
    facts = manifests["evaluate"].facts
    return {
        "task": planned.request.task,
        "seed": planned.request.seed,
        "data": planned.data.revision,
        "checkpoint": planned.checkpoint.revision,
        **{name: facts[name] for name in ("metrics", "intervals", "majority", "collapsed", "examples", "suspicions")},
        "synthetic": manifests["fetch"].facts["synthetic"],
        "data_report": manifests["fetch"].facts,
        "rows": manifests["finetune"].facts["rows"],
        "transfer": manifests["finetune"].identity["inputs"].get("transfer"),
        "model": manifests["register"].facts,
    }
