"""The report of one run: a version, how it was trained, how good it is and where it errs, what it took.

page(store, registry.find(store, "mrpc@3"))  ->  Page("mrpc@3", …)
"""

import json
from collections.abc import Sequence

from tasks.core.published import beside
from tasks.core.registry import Version
from tasks.core.specs import RegisterSpec
from tasks.core.store import Store
from tasks.models.card import reproduction
from tasks.pages import confusion, curves, effort, figures, lengths, mistakes, ranges, reliability, scatter
from tasks.pages.clean import clean
from tasks.pages.frame import Page, Picture, Section, Table
from tasks.pages.judged import Judged, judged
from tasks.pages.made import Made, asked, champion, of_version
from tasks.pages.ranges import Range

SYNTHETIC = "Made-up sentences: the figures show that the pipeline works, and say nothing of a model on real text."
COLLAPSED = "The model gives nearly every example the same answer."


def page(store: Store, version: Version) -> Page:
    """All that the records say of it; raises BadData if what it was made from is not there any more."""
    made = of_version(store, version)
    with judged(store, made) as splits:
        answers = [_answers(made, name, said) for name, said in splits.items()]
        errors = [mistakes.table(made.task, made.task.labels, said, name) for name, said in splits.items()]
    steps = effort.spent(made.entries, asked(store, (entry.key for entry in made.entries.values())))
    return Page(
        title=made.label,
        lead=_lead(made),
        facts=_facts(made),
        warnings=warnings(made),
        sections=(
            Section("Scores", "Intervals are 95 %, over the examples; another seed moves a score as well.",
                    _scores(store, made), [_table(made)]),
            Section("Training", "", _training(made)),
            *answers,
            Section("Worst errors", "The wrong answers that the model was surest of." if made.task.labels else
                    "The scores that are furthest from the true ones.", tables=errors),
            Section("Time and bytes", "", effort.pictures(steps, "effort")),
            Section("How it was made", tables=[_settings(made)]),
        ),
    )  # fmt: skip


def warnings(made: Made) -> list[str]:
    """What a reader has to know before any figure."""
    rows = made.entries["finetune"].facts["rows"]
    return [
        *([SYNTHETIC] if made.synthetic else []),
        *([COLLAPSED] if made.scores["collapsed"] else []),
        *([f"Trained on {rows['used']:,} of {rows['of']:,} rows."] if rows["used"] < rows["of"] else []),
        *map(clean, made.scores["suspicions"]),
    ]


def _lead(made: Made) -> str:
    low_high = made.scores["intervals"].get(made.task.headline)
    said = f"{made.task.headline.replace('_', ' ')} {figures.score(made.scores['metrics'][made.task.headline])}"
    between = f", 95 % interval {figures.between(low_high)}" if low_high else ""
    return f"{said}{between}, on {next(iter(made.scores['examples'].values())):,} examples of {made.task.folder}"


def _facts(made: Made) -> dict[str, str]:
    training = made.entries["finetune"]
    told = {
        "task": made.task.name,
        "data": made.version.record["data"],
        "checkpoint": made.version.record["checkpoint"],
        "seed": str(training.identity["spec"]["seed"]),
        "registered": made.version.created,
        "best epoch": f"{training.facts['best_epoch']:g}",
        "training steps": f"{training.facts['steps']:,}",
        "device": str(training.facts.get("device", "")),
    }
    return {name: clean(value) for name, value in told.items() if value}


def _scores(store: Store, made: Made) -> list[Picture]:
    """For each metric the version beside its champion, what others published, and the majority class."""
    known, first = made.scores, champion(store, made.version.name)
    found = []
    for metric, value in made.scores["metrics"].items():
        rows = [Range(made.label, value, known["intervals"].get(metric))]
        if first and first[0].version != made.version.version and metric in first[0].record["metrics"]:
            label = f"champion {first[0].label}"
            rows.append(Range(label, first[0].record["metrics"][metric], first[1].get(metric), "champion"))
        published = [] if made.synthetic else beside(made.task.name, {metric: value}, known["intervals"])
        rows += [Range(row["model"], row["published"], kind="published") for row in published]
        rows.append(Range("majority class", known["majority"][metric], kind="majority"))
        name = metric.replace("_", " ")
        found.append(ranges.picture(rows, f"{name}: this version beside others.", f"score-{metric}"))
    return found


def _table(made: Made) -> Table:
    known = made.scores
    columns = ("metric", "score", "95 % interval", "majority class")
    rows = [
        (metric, figures.score(value), figures.between(known["intervals"].get(metric)),
         figures.score(known["majority"].get(metric)))
        for metric, value in known["metrics"].items()
    ]  # fmt: skip
    return Table(columns, rows, numbers=columns[1:])


def _training(made: Made) -> list[Picture]:
    facts = made.entries["finetune"].facts
    return [
        curves.losses(facts["history"], "loss"),
        curves.metrics(facts["history"], made.task.metrics, facts["best_epoch"], "metrics"),
    ]


def _answers(made: Made, split: str, said: Judged) -> Section:
    """What the model answered on a split."""
    task = made.task
    if said.confidence is None:
        first: Sequence[Picture] = [scatter.picture(said.labels, said.predictions, f"{split}-scores")]
    else:
        right = said.predictions == said.labels
        first = [
            confusion.picture(said.labels, said.predictions, task.labels, f"{split}-confusion"),
            reliability.picture(said.confidence, right, f"{split}-reliability"),
        ]
    by_length = [lengths.score_picture(task, said, f"{split}-by-length"), lengths.histogram(said, f"{split}-lengths")]
    return Section(f"Answers on {split.replace('_', ' ')}", pictures=[*first, *by_length])


def _settings(made: Made) -> Table:
    training, record = made.entries["finetune"].identity, made.version.record
    spec = RegisterSpec(
        task=made.task.name, name=made.version.name, data=record["data"], checkpoint=record["checkpoint"]
    )
    told = {
        "made again by": reproduction(spec, made.entries),
        **{name: json.dumps(value) for name, value in sorted(training["spec"].items())},
        **{f"version of {name}": value for name, value in sorted(training["libraries"].items())},
        **{f"key of {name}": entry.key for name, entry in made.entries.items()},
    }
    return Table(("", "value"), [(name, clean(str(value))) for name, value in told.items()])
