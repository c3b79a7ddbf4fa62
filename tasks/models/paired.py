"""Whether one model is better than another on a task, each with one or several seeds, on the same examples.

paired(rte, labels, ours=[seed 1, seed 2], theirs=[seed 1, seed 2])
  ->  {"metric": "accuracy", "difference": 0.031, "interval": [-0.012, 0.073], "p": 0.16, "examples": 277}

The difference of the two means over seeds in the headline metric, and its BCa interval by drawing examples, each with
all that was said of it: what the models share of their errors falls out. p is twice the smaller share of resamples on
one side of zero. It covers the choice of examples, not that of seeds. Several tasks together: `holm` of seeds.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from tasks.core.catalog import GlueTask
from tasks.core.errors import BadData
from tasks.models.intervals import CLASS_METRICS, CORRELATIONS, bootstrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.models.intervals import Floats, Metric
    from tasks.models.metrics import Numbers


def paired(task: GlueTask, labels: "Numbers", ours: Sequence["Numbers"], theirs: Sequence["Numbers"]) -> dict[str, Any]:
    """The comparison; every array is `(examples,)`. Without an interval, p is 1: all resamples differ by the same."""
    difference, times = (_of_scores if task.is_regression else _of_classes)(task, labels, ours, theirs)
    ends, resampled = bootstrap(difference, times, np.random.default_rng(0))
    tail = min((resampled <= 0).sum(), (resampled >= 0).sum())
    return {
        "metric": task.headline,
        "difference": float(difference(times[None].astype(float))[0]),
        "interval": None if ends is None else [float(ends[0]), float(ends[1])],
        "p": 1.0 if ends is None else float(min(1.0, 2 * (1 + tail) / (1 + len(resampled)))),
        "examples": len(labels),
    }


def _of_classes(
    task: GlueTask, labels: "Numbers", ours: Sequence["Numbers"], theirs: Sequence["Numbers"]
) -> "tuple[Metric, NDArray[np.integer]]":
    """The difference as a function of how often each pattern of label and predictions counts, and how often it does."""
    patterns, times = np.unique(np.stack([labels, *ours, *theirs]), axis=1, return_counts=True)
    cells = patterns[0] * task.num_labels + patterns[1:]
    places = np.eye(task.num_labels**2)[cells]  # (models, patterns, cells)
    metric = CLASS_METRICS[task.headline]

    def difference(weights: "Floats") -> "Floats":
        matrices = np.einsum("rp,mpc->mrc", weights, places, optimize=True)
        scores = metric(matrices.reshape(*matrices.shape[:2], task.num_labels, task.num_labels))
        return _difference(scores, len(ours))

    return difference, times


def _of_scores(
    task: GlueTask, labels: "Numbers", ours: Sequence["Numbers"], theirs: Sequence["Numbers"]
) -> "tuple[Metric, NDArray[np.integer]]":
    correlations = [CORRELATIONS[task.headline](said, labels) for said in (*ours, *theirs)]
    ones = np.ones(len(labels), int)
    return lambda weights: _difference(np.stack([each(weights) for each in correlations]), len(ours)), ones


def _difference(scores: "Floats", ours: int) -> "Floats":
    found: Floats = scores[:ours].mean(0) - scores[ours:].mean(0)
    return found


def read(task: GlueTask, folder: Path) -> "tuple[Numbers, Numbers]":
    """Labels and predictions of an evaluated run, in row order, on the split that decides."""
    path = folder / f"{task.validation[0].name}.parquet"
    table = pq.read_table(path)
    if table["idx"].to_pylist() != list(range(table.num_rows)):
        raise BadData(f"{path}: rows are not in their order")
    return table["label"].to_numpy(), table["prediction"].to_numpy()
