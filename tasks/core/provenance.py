"""Where a version came from: an in-toto statement with SLSA's provenance predicate, as provenance.json in its folder.

    {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "model.safetensors", "digest": {"sha256": …}}],
     "predicateType": "https://slsa.dev/provenance/v1",
     "predicate": {"buildDefinition": {"externalParameters": …, "internalParameters": …, "resolvedDependencies": […]},
                   "runDetails": {"builder": …, "metadata": …, "byproducts": […]}}}

It tells of the first registration of a checkpoint: who, when, how. So it is attached to the version and is no part of
its content, and the same checkpoint from another run is still the same version.
"""

import json
import platform
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from tasks.core.files import FileEntry
from tasks.core.manifest import Manifest, parse
from tasks.core.origin import code
from tasks.core.plan import PlannedStep
from tasks.core.specs import RegisterSpec
from tasks.core.store import Store

FILE = "provenance.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:glueflow:run:v1"
LIBRARIES = ("accelerate", "datasets", "evaluate", "numpy", "prefect", "pyarrow", "scikit-learn", "scipy",
             "tokenizers", "torch", "transformers")  # fmt: skip


def statement(
    store: Store,
    step: PlannedStep,
    inputs: Mapping[str, Manifest],
    files: Iterable[FileEntry],
    started: Mapping[str, str],
    now: str,
) -> bytes:
    """The statement on these files, registered by that step from those entries."""
    spec = step.spec
    assert isinstance(spec, RegisterSpec)  # noqa: S101  # the plan pairs names and specs
    made = entries(store, inputs)
    report = inputs["evaluate"].facts
    training = inputs["finetune"].identity["spec"]
    said = {
        "_type": STATEMENT,
        "subject": [_resource(file) for file in files],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "task": spec.task,
                    "name": spec.name,
                    "data": spec.data,
                    "checkpoint": spec.checkpoint,
                    "seed": training["seed"],
                    "training": training,
                },
                "internalParameters": {
                    "steps": {name: _step(entry) for name, entry in made.items()},
                    "register": {"key": step.key, "identity": step.identity},
                },
                "resolvedDependencies": _dependencies(spec, made),
            },
            "runDetails": {
                "builder": {"id": "urn:glueflow:registration", "version": versions()},
                "metadata": {
                    "invocationId": started.get("flow_run", ""),
                    "startedOn": min(map(_begun, made.values())),
                    "finishedOn": now,
                    "started": dict(started),
                },
                "byproducts": [
                    {"name": "metrics", "annotations": {name: report.get(name) for name in ("metrics", "intervals")}},
                    *(_resource(file) for file in inputs["evaluate"].files if file.path.endswith(".parquet")),
                ],
            },
        },
    }
    return json.dumps(said, indent=1, ensure_ascii=False).encode()


def entries(store: Store, inputs: Mapping[str, Manifest]) -> dict[str, Manifest]:
    """The entries that led to these, down to the data, the first made first; without those that are gone by now. What
    led to the model that the training started from is called `transfer/<step>`."""
    found: dict[str, Manifest] = {}
    for name, entry in inputs.items():
        for before, key in entry.identity["inputs"].items():
            if before in inputs or before in found:
                continue
            step = "finetune" if before == "transfer" else before
            body = store.get(f"steps/{step}/{key}/manifest.json")
            manifest = parse(body, step, key) if body else None
            if isinstance(manifest, Manifest):
                led = entries(store, {step: manifest})
                found |= led if step == before else {f"{before}/{each}": one for each, one in led.items()}
        found[name] = entry
    return found


def versions() -> dict[str, str]:
    """The libraries at work, by name."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _begun(entry: Manifest) -> str:
    """When the work on the entry began; of one that was reused, that was before this run."""
    return (datetime.fromisoformat(entry.created) - timedelta(seconds=entry.seconds)).isoformat(timespec="seconds")


def _step(entry: Manifest) -> dict[str, Any]:
    told = ("device", "rows", "steps", "planned_steps", "ended", "resumed_from", "peak_memory")
    facts = {name: entry.facts[name] for name in told if name in entry.facts}
    return {
        "key": entry.key,
        "identity": entry.identity,
        "created": entry.created,
        "seconds": entry.seconds,
        "facts": facts,
    }


def _dependencies(spec: RegisterSpec, made: Mapping[str, Manifest]) -> list[dict[str, Any]]:
    """Data and checkpoint at their revisions, the code, and the digest of every entry and of the data's files."""
    data = made["fetch"].files if "fetch" in made else ()
    commit = code().get("commit")
    return [
        {"name": "data", "uri": spec.data, "annotations": {"files": [_resource(file) for file in data]}},
        {"name": "checkpoint", "uri": spec.checkpoint},
        {"name": "code", **({"digest": {"gitCommit": commit}} if commit else {}), "annotations": code()},
        *({"name": f"{name} {entry.folder}", "digest": {"sha256": entry.digest}} for name, entry in made.items()),
    ]


def _resource(file: FileEntry) -> dict[str, Any]:
    return {"name": file.path, "digest": {"sha256": file.sha256}, "annotations": {"size": file.size}}
