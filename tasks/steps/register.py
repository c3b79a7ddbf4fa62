"""Register: the checkpoint as the next version of a named model, or as the version that already holds it.

VERSION in tasks/core/plan.py · identity: task, name, data and checkpoint revision, the training and its evaluation

    in   the fine-tuned folder (its objects in the store), the metrics
    out  models/mrpc/versions/3/…; model.json and facts {"name": "mrpc", "version": 3, "uri": "s3://…/models/mrpc/versions/3"}

The weights are copied inside the store, after they were read once more and compared with their SHA-256. The predictions
on the validation splits are copied to models/mrpc/evidence/3/, for as long as there is the version. Where it came from
and its model card with pictures are attached: they tell of this registration and are no part of its content.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.core import origin, provenance, signing, verify
from tasks.core.artifact import Folders, set_aside
from tasks.core.manifest import Manifest
from tasks.core.plan import PlannedStep
from tasks.core.registration import Candidate, register
from tasks.core.specs import RegisterSpec
from tasks.core.store import Store, object_key
from tasks.data.definition import task_in, to_record
from tasks.models import card

Describe = Callable[[Store, RegisterSpec, Mapping[str, Manifest]], Mapping[str, bytes]]


def run(
    store: Store,
    step: PlannedStep,
    inputs: Mapping[str, Manifest],
    out: Path,
    _folders: Folders,
    started: Mapping[str, str] | None = None,
    key: Path | None = None,
    describe: Describe = card.files,
) -> dict[str, Any]:
    """Commit the version and return its name, number and place. `started` says by whom and how, else this process;
    `key` is the file of the key that signs it, `describe` makes the model card."""
    spec = step.spec
    assert isinstance(spec, RegisterSpec)  # noqa: S101  # the plan pairs names and specs
    model, report = inputs["finetune"], inputs["evaluate"]
    check(store, model, report)
    metrics = next(file for file in report.files if file.path == "metrics.json")
    files = {file.path: file for file in (*model.files, metrics)}
    folders = dict.fromkeys(files, f"steps/finetune/{model.key}") | {metrics.path: f"steps/evaluate/{report.key}"}
    entries = provenance.entries(store, inputs)
    own = to_record(task_in(store, spec.task, entries["fetch"])) if spec.task == "own" else {}
    record = {
        **own,
        "task": spec.task,
        "data": spec.data,
        "checkpoint": spec.checkpoint,
        "metrics": report.facts["metrics"],
        "training": model.identity["spec"],
        "libraries": model.identity["libraries"],
        "steps": {"finetune": model.key, "evaluate": report.key, "register": step.key},
    }
    now = datetime.now(UTC).isoformat(timespec="seconds")
    said = provenance.statement(store, step, inputs, files.values(), started or origin.started(), now)
    evidence = {file.path: file for file in report.files if file.path.endswith(".parquet")}
    proofs = {f"evidence/{path}": object_key(f"steps/evaluate/{report.key}", file) for path, file in evidence.items()}
    candidate = Candidate(
        files=files,
        sources={path: object_key(folders[path], file) for path, file in files.items()} | proofs,
        record=record,
        evidence=evidence,
        attached={provenance.FILE: said, **describe(store, spec, entries)},
    )
    version = register(store, spec.name, candidate, now)
    if key:
        signing.sign(store, version, key)
    facts = {"name": version.name, "version": version.version, "uri": store.uri(version.folder)}
    (out / "model.json").write_text(json.dumps(facts, indent=1))
    return facts


def check(store: Store, *entries: Manifest) -> None:
    """Read every byte of what is to be registered. What is damaged is set aside, and Damaged raised."""
    if wrong := verify.verify(store, [verify.holding(entry) for entry in entries]):
        entry = next(entry for entry in entries if entry.folder == wrong[0].folder)
        raise set_aside(store, entry, wrong[0].reason)
