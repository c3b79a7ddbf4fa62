"""A version's model card: README.md and its pictures, all from the records; with it the folder can go to the hub.

    files(store, "mrpc", entries)  ->  {"README.md": b"---…", "training.png": b"…", "confusion.png": b"…"}

`entries` are the manifests of the steps that led to the model, by step. The same records give the same bytes.
"""

import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files as resources
from typing import Any

from tasks.core.catalog import GlueTask
from tasks.core.command import command
from tasks.core.errors import Damaged
from tasks.core.manifest import Manifest
from tasks.core.resolve import PACKAGED_REVISION
from tasks.core.specs import PACKAGED, STEPS, GlueRun, RegisterSpec, Training
from tasks.core.store import Store, object_key
from tasks.data.definition import task_in
from tasks.models import pictures
from tasks.models.metrics import confusion

CARD, CURVE = "README.md", "training.png"
HUB = re.compile(r"hf://(?P<repo>[^@]+)@(?P<commit>[0-9a-f]{40})")
PACKAGED_MODEL = "sentence-transformers/all-MiniLM-L6-v2"  # what the wheel holds


def files(store: Store, spec: RegisterSpec, entries: Mapping[str, Manifest]) -> dict[str, bytes]:
    """The card and its pictures by path; raises Damaged if the record of one of the four steps is gone meanwhile."""
    if gone := [step for step in STEPS[:4] if step not in entries]:
        raise Damaged(f"store: the entry of {gone[0]}, from which {spec.name} was made, is gone; run again")
    task = task_in(store, spec.task, entries["fetch"])
    training, report = entries["finetune"], entries["evaluate"]
    judged = {split.name: _predictions(store, report, split.name) for split in task.validation}
    labels = _labels(store, training, task)
    if task.is_regression:
        name, picture = "scores.png", pictures.scatter(judged)
    else:
        counts = {split: confusion(true, given, len(labels)) for split, (true, given) in judged.items()}
        name, picture = "confusion.png", pictures.confusion(counts, labels)
    curve = pictures.training_curve(training.facts["history"], task.headline)
    return {CARD: text(spec, task, entries, labels, name).encode(), CURVE: curve, name: picture}


def text(
    spec: RegisterSpec, task: GlueTask, entries: Mapping[str, Manifest], labels: Sequence[str], picture: str
) -> str:
    """The card: YAML for the hub, Markdown for people."""
    from huggingface_hub import ModelCard

    template = resources("tasks.models").joinpath("card.md.jinja")
    training, report = entries["finetune"], entries["evaluate"]
    told = training.identity["spec"]
    card = ModelCard.from_template(
        metadata(spec, task, entries),
        template_str=template.read_text(encoding="utf-8"),
        name=spec.name,
        task=task,
        base=base_model(spec.checkpoint),
        spec=spec,
        synthetic=spec.data.startswith("sample:"),
        results=_rows(("split", "metric", "score", "95 % interval", "majority class"), _results(task, report)),
        examples=report.facts.get("examples", {}),
        collapsed=report.facts.get("collapsed", False),
        seed=told["seed"],
        facts=training.facts,
        picture=picture,
        labels=_rows(("number", "label"), enumerate(labels)) if not task.is_regression else "",
        data=entries["fetch"].facts,
        training=_rows(("setting", "value"), sorted(told.items())),
        libraries=_rows(("library", "version"), sorted(training.identity["libraries"].items())),
        command=reproduction(spec, entries),
        pair=len(task.text) == 2,
        transfer="transfer" in training.identity["inputs"],
    )
    return str(card)


def metadata(spec: RegisterSpec, task: GlueTask, entries: Mapping[str, Manifest]) -> Any:
    """What the hub reads: the model index with every result, the base model, the data."""
    from huggingface_hub import EvalResult, ModelCardData

    report = entries["evaluate"]
    synthetic, hub = spec.data.startswith("sample:"), HUB.fullmatch(spec.data)
    name = "own data" if task.name == "own" else f"{'made-up' if synthetic else 'GLUE'} {task.folder}"
    known: dict[str, Any] = {
        "task_type": "text-classification",
        "dataset_type": "synthetic" if synthetic else hub["repo"] if hub else "own" if task.name == "own" else "glue",
        "dataset_name": name,
        "dataset_config": task.name,
        "dataset_revision": hub["commit"] if hub else spec.data,
    }
    results = [
        EvalResult(metric_type=metric, metric_value=score, metric_name=metric, dataset_split=split, **known)
        for split, metric, score, _, _ in _scores(task, report)
    ]
    return ModelCardData(
        model_name=spec.name,
        eval_results=results,
        base_model=base_model(spec.checkpoint),
        datasets=hub["repo"] if hub else None,
        metrics=list(task.metrics),
        language="en",
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["glueflow", "glue", task.name, *(["synthetic-data"] if synthetic else [])],
    )


def base_model(revision: str) -> str | None:
    """The hub's name of the checkpoint that was fine-tuned, if it has one."""
    hub = HUB.fullmatch(revision)
    return hub["repo"] if hub else PACKAGED_MODEL if revision == PACKAGED_REVISION else None


def reproduction(spec: RegisterSpec, entries: Mapping[str, Manifest]) -> str:
    """The command that makes this model again, with a word in capitals for a folder that only its digest names."""
    told = dict(entries["finetune"].identity["spec"])
    fields = {name: told[name] for name in Training.model_fields if name in told}
    fields["max_length"] = entries["encode"].identity["spec"]["max_length"]
    data = re.sub(r"^sample:v\d+:", "sample:", spec.data)
    data = data if data.startswith(("hf://", "sample:")) else "file:DATA_FOLDER"
    checkpoint = PACKAGED if spec.checkpoint == PACKAGED_REVISION else spec.checkpoint
    checkpoint = checkpoint if checkpoint.startswith(("hf://", "packaged:")) else "file:CHECKPOINT_FOLDER"
    name = "" if spec.name == spec.task else spec.name
    request = GlueRun(
        task=spec.task,
        data=data,
        checkpoint=checkpoint,
        seed=told["seed"],
        name=name,
        transfer="transfer" in entries["finetune"].identity["inputs"],
        training=Training(**fields),
    )
    return command("run", request)


def cell(value: object) -> str:
    """A value as a table's cell: no HTML, no pipe, no line break and no Markdown of its own takes effect."""
    plain = " ".join(html.escape(str(value), quote=False).split())
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", plain)


def _rows(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _scores(task: GlueTask, report: Manifest) -> Iterable[tuple[str, str, float, Any, Any]]:
    """Split, metric, score, interval and the majority class's score, in the catalog's order."""
    first = task.validation[0].name
    for split in task.validation:
        suffix = split.name.removeprefix(first).removeprefix("validation")
        for metric in task.metrics:
            name = f"{metric}{suffix}"
            bounds, majority = (report.facts.get(kind, {}).get(name) for kind in ("intervals", "majority"))
            yield split.name, metric, report.facts["metrics"][name], bounds, majority


def _results(task: GlueTask, report: Manifest) -> Iterable[tuple[str, ...]]:
    for split, metric, score, bounds, majority in _scores(task, report):
        between = f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else "not known"
        yield split, metric, f"{score:.3f}", between, "" if majority is None else f"{majority:.3f}"


def _predictions(store: Store, report: Manifest, split: str) -> tuple[Any, Any]:
    """True and predicted labels, `(examples,)` each."""
    import pyarrow.parquet as pq

    file = next(file for file in report.files if file.path == f"{split}.parquet")
    body = store.get(object_key(f"steps/evaluate/{report.key}", file)) or b""
    table = pq.read_table(io.BytesIO(body), columns=["label", "prediction"])
    return table["label"].to_numpy(), table["prediction"].to_numpy()


def _labels(store: Store, training: Manifest, task: GlueTask) -> list[str]:
    """The names that the model itself gives its labels."""
    file = next(file for file in training.files if file.path == "config.json")
    config = json.loads(store.get(object_key(f"steps/finetune/{training.key}", file)) or b"{}")
    named = config.get("id2label", {})
    return [str(named.get(str(index), index)) for index in range(task.num_labels)]
