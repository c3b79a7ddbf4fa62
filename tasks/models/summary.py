"""A suite's runs in figures: one row a task and metric, over seeds and over examples, with and without collapsed seeds.

summary([{"task": "rte", "seed": 1, "metrics": {"accuracy": 0.563}, "collapsed": False, …}, …])
  ->  [{"task": "rte", "metric": "accuracy", "seeds": 3, "mean": 0.571, "sd": 0.010, "interval": [0.546, 0.595],
        "examples": 277, "over_examples": [0.511, 0.628], "majority": 0.527, "collapsed": [2], "without": {…}, …}]
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.core.catalog import TRAINABLE
from tasks.core.published import beside
from tasks.models.seeds import over_examples, over_seeds, seeds_needed, visible_by_seeds, visible_on_examples

POINT = 0.01
Run = Mapping[str, Any]


def summary(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """A row for each metric of each task that has a finished run."""
    found = list(runs)
    by_task = {task: [run for run in found if run["task"] == task] for task in TRAINABLE}
    return [row(task, metric, of) for task, of in by_task.items() if of for metric in of[0]["metrics"]]


def row(task: str, metric: str, runs: Sequence[Run]) -> dict[str, Any]:
    """One task's metric over its seeds."""
    figures = over_seeds([run["metrics"][metric] for run in runs])
    ends = over_examples([run["intervals"][metric] for run in runs])
    collapsed = [run["seed"] for run in runs if run["collapsed"]]
    sound = [run["metrics"][metric] for run in runs if not run["collapsed"]]
    sd = figures["sd"]
    return {
        "task": task,
        "metric": metric,
        **figures,
        "examples": examples(metric, runs[0]["examples"]),
        "over_examples": ends,
        "majority": runs[0]["majority"][metric],
        "rows": runs[0]["rows"],
        "synthetic": runs[0]["synthetic"],
        "collapsed": collapsed,
        "without": over_seeds(sound) if collapsed and sound else None,
        "visible_on_examples": visible_on_examples(ends) if ends else None,
        "visible_by_seeds": visible_by_seeds(sd, len(runs)) if sd else None,
        "seeds_for_a_point": seeds_needed(sd, POINT) if sd else None,
    }


def examples(metric: str, counts: Mapping[str, int]) -> int:
    """How many examples the metric was taken from; MNLI's second is of its mismatched split."""
    if metric.endswith("_mismatched"):
        return counts["validation_mismatched"]
    return next(iter(counts.values()))


def beside_published(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Published figures beside the means of rows on real data, by the interval over examples."""
    return [
        found
        for row in rows
        if not row["synthetic"]
        for found in beside(row["task"], {row["metric"]: row["mean"]}, {row["metric"]: row["over_examples"]})
    ]
