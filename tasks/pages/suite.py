"""The report of a suite: each task's seeds, their mean and its intervals beside published figures and the champion.

page(store, figures, entries, compared)  ->  Page("suite: mrpc, rte, seeds 1, 2, 3", …)

`figures` are those that `glueflow benchmark --json` prints, `entries` the manifests of each finished run, by step.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.core.manifest import Manifest
from tasks.core.store import Store
from tasks.pages import effort, figures, ranges
from tasks.pages.clean import clean
from tasks.pages.frame import Page, Picture, Section, Table
from tasks.pages.made import asked, champion
from tasks.pages.ranges import Range
from tasks.pages.run import SYNTHETIC

FEWER = "Published models were trained on all rows; those here, where the table says so, on fewer."
SURE = 0.05
Row = Mapping[str, Any]
Entries = Mapping[str, Manifest]


def page(store: Store, result: Mapping[str, Any], entries: Sequence[Entries], against: str = "") -> Page:
    """All of a suite; what has not run yet is named with the command that runs it."""
    tasks = list(dict.fromkeys(row["task"] for row in result["runs"]))
    seeds = sorted({row["seed"] for row in result["runs"]})
    return Page(
        title=f"{', '.join(tasks)} · seeds {', '.join(map(str, seeds))}",
        lead=_lead(result),
        warnings=_warnings(result),
        sections=tuple(filter(_says_something, (
            Section("Scores by task", "Dots are seeds. The interval of the mean is 95 % over the examples; that over "
                    "seeds (Student's t) stands in the table.", _scores(store, result), [_tasks(result)]),
            Section(f"Against {clean(against)}", "On the same examples; p after Holm's correction over the tasks.",
                    _compared(result["comparison"]), [_chances(result["comparison"])]) if result["comparison"] else
            Section(""),
            Section("Runs", tables=[_runs(result["runs"])]),
            Section("Time and bytes", "", _effort(store, entries)),
        ))),
    )  # fmt: skip


def _says_something(section: Section) -> bool:
    return bool(section.pictures or section.tables)


def _lead(result: Mapping[str, Any]) -> str:
    done = len(result["runs"]) - len(result["failed"])
    said = f"{done:,} of {len(result['runs']):,} runs are there"
    if score := result["score"]:
        lacks = f", partial, for it lacks {', '.join(score['missing'])}" if score["missing"] else ""
        said += f"; GLUE score on validation {score['points']:.1f}, of {len(score['tasks'])} tasks{lacks}"
    return said


def _warnings(result: Mapping[str, Any]) -> list[str]:
    rows = result["tasks"]
    fewer = bool(result["published"]) and any(row["rows"]["used"] < row["rows"]["of"] for row in rows)
    collapsed = [f"{row['task']} seed {seed}" for row in rows for seed in row["collapsed"]]
    return [
        *([SYNTHETIC] if any(row["synthetic"] for row in rows) else []),
        *([FEWER] if fewer else []),
        *([f"Collapsed to one answer: {', '.join(dict.fromkeys(collapsed))}."] if collapsed else []),
        *([f"{len(result['failed'])} runs are missing: {result['again']}"] if result["failed"] else []),
    ]


def _scores(store: Store, result: Mapping[str, Any]) -> list[Picture]:
    """A picture for each metric of each task."""
    found = []
    champions = {task: champion(store, task) for task in {row["task"] for row in result["tasks"]}}
    for row in result["tasks"]:
        task, metric = row["task"], row["metric"]
        runs = [run for run in result["runs"] if run["task"] == task and "metrics" in run]
        lines = [Range("mean", row["mean"], row["over_examples"])]
        lines += [Range(f"seed {run['seed']}", run["metrics"][metric], kind="seed") for run in runs]
        if (first := champions[task]) and metric in first[0].record["metrics"]:
            score = first[0].record["metrics"][metric]
            lines.append(Range(f"champion {first[0].label}", score, first[1].get(metric), "champion"))
        published = [each for each in result["published"] if (each["task"], each["metric"]) == (task, metric)]
        lines += [Range(each["model"], each["published"], kind="published") for each in published]
        lines.append(Range("majority class", row["majority"], kind="majority"))
        caption = f"{task}: {metric.replace('_', ' ')}."
        found.append(ranges.picture(lines, caption, f"score-{task}-{metric}"))
    return found


def _tasks(result: Mapping[str, Any]) -> Table:
    columns = ("task", "metric", "mean", "sd", "95 % over seeds", "95 % over examples", "majority class", "rows")
    rows = [
        (row["task"], row["metric"], figures.score(row["mean"]), figures.score(row["sd"]),
         figures.between(row["interval"]), figures.between(row["over_examples"]), figures.score(row["majority"]),
         f"{row['rows']['used']:,} of {row['rows']['of']:,}")
        for row in result["tasks"]
    ]  # fmt: skip
    return Table(columns, rows, numbers=columns[2:])


def _compared(rows: Sequence[Row]) -> list[Picture]:
    lines = [Range(f"{row['task']} {row['metric']}", row["difference"], row["interval"]) for row in rows]
    return [ranges.picture(lines, "Difference of the means over seeds, with 95 % intervals.", "against", zero=True)]


def _chances(rows: Sequence[Row]) -> Table:
    columns = ("task", "metric", "difference", "95 % interval", "p", "p (Holm)", "")
    told = [
        (row["task"], row["metric"], f"{row['difference']:+.3f}", figures.between(row["interval"]),
         figures.score(row["p"]), figures.score(row["p_holm"]),
         "differ" if row["p_holm"] < SURE else "not told apart")
        for row in rows
    ]  # fmt: skip
    return Table(columns, told, numbers=columns[2:-1])


def _runs(rows: Iterable[Row]) -> Table:
    told = []
    for row in rows:
        model = row.get("model")
        label = f"{model['name']}@{model['version']}" if model else ""
        scores = "  ".join(f"{name} {value:.4f}" for name, value in row.get("metrics", {}).items())
        said = scores or row.get("message", "")
        told.append((row["task"], str(row["seed"]), row["state"], label, clean(said), row.get("resume", "")))
    return Table(("task", "seed", "state", "model", "scores", "goes on with"), told, numbers=("seed",))


def _effort(store: Store, entries: Sequence[Entries]) -> list[Picture]:
    """Of every entry that a run of the suite rests on, each once."""
    every = {entry.key: entry for run in entries for entry in run.values()}
    if not every:
        return []
    steps, saved = effort.of_many(every.values(), asked(store, every))
    return effort.pictures(steps, "effort", saved)
