"""Whether a model's answers are right under other names: a sign that its labels and the data's are in another order.

suspicion(mnli, predicted, labels)
  ->  "accuracy 0.031; with contradiction read as entailment and entailment as contradiction it would be 0.902: …"
"""

from math import atanh, sqrt
from typing import TYPE_CHECKING

from tasks.core.catalog import GlueTask

if TYPE_CHECKING:
    from tasks.models.metrics import Numbers

SURE = 4.0  # standard errors; by chance once in 30,000 runs
ADVICE = "are the labels of data and checkpoint in the same order?"


def suspicion(task: GlueTask, predicted: "Numbers", labels: "Numbers") -> str | None:
    """What another order of the labels would repair, in words; None where it would not, or where that may be chance.

    It counts if many more examples become right than wrong (McNemar's test), and more are right then than one class
    alone would give. For a regression: a correlation that is certainly negative.
    """
    import numpy as np

    rows = len(labels)
    if task.is_regression:
        return _reversed(predicted, labels) if rows > 3 and np.ptp(predicted) > 0 and np.ptp(labels) > 0 else None
    from scipy.optimize import linear_sum_assignment

    width = task.num_labels
    cells = np.bincount(labels * width + predicted, minlength=width**2).reshape(width, width)  # (label, prediction)
    meant, said = linear_sum_assignment(cells, maximize=True)
    read_as = dict(zip(said.tolist(), meant.tolist(), strict=True))
    moved = [answer for answer, label in read_as.items() if answer != label]
    better = sum(int(cells[read_as[answer], answer]) for answer in moved)
    worse = sum(int(cells[answer, answer]) for answer in moved)
    right, repaired = np.trace(cells) / rows, cells[meant, said].sum() / rows
    usual = cells.sum(axis=1).max() / rows
    beyond_chance = usual + SURE * sqrt(usual * (1 - usual) / rows)
    if better - worse <= SURE * sqrt(better + worse) or repaired <= beyond_chance:
        return None
    names = " and ".join(f"{task.labels[answer]} read as {task.labels[read_as[answer]]}" for answer in sorted(moved))
    return f"accuracy {right:.3f}; with {names} it would be {repaired:.3f}: {ADVICE}"


def _reversed(predicted: "Numbers", labels: "Numbers") -> str | None:
    """By Fisher's transformation, whose standard error is 1/sqrt(n - 3)."""
    from scipy.stats import pearsonr

    found = float(pearsonr(predicted, labels).statistic)
    if atanh(min(max(found, -0.999999), 0)) * sqrt(len(labels) - 3) >= -SURE:
        return None
    return f"Pearson {found:.3f}; reversed it would be {-found:.3f}: do the scores of data and checkpoint run alike?"
