"""Whether one model is better than another on the same examples: a difference, its interval, and a p-value.

compare(mrpc, labels, champion, [challenger])
  ->  Comparison(metric="f1", test="paired bootstrap", challenger=0.866, champion=0.852, difference=0.014, low=-0.013 …)

The headline metric decides. Accuracy of two models: McNemar's exact test (McNemar 1947) on the examples that only one
of them got right, and the interval of Agresti and Min (2005), which holds for few of those, too. Any other metric, and
several challengers that differ in their seed, by their mean: the paired bootstrap of tasks/models/paired.py. The
interval covers the choice of examples and not that of seeds, so that the metric of each challenger is told, too.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.catalog import GlueTask
from tasks.core.verdicts import Comparison
from tasks.models.intervals import CONFIDENCE
from tasks.models.metrics import scores
from tasks.models.paired import paired

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[Any]


def compare(task: GlueTask, labels: "Numbers", champion: "Numbers", challengers: Sequence["Numbers"]) -> Comparison:
    """The comparison by the task's headline metric; every argument is `(examples,)`."""
    each = tuple(_headline(task, labels, one) for one in challengers)
    theirs, mine = _headline(task, labels, champion), float(np.mean(each))
    better, worse = _discordant(labels, champion, challengers[0]) if not task.is_regression else (0, 0)
    exact = task.headline == "accuracy" and len(challengers) == 1
    low, high, p = _mcnemar(len(labels), better, worse) if exact else _resampled(task, labels, champion, challengers)
    return Comparison(
        metric=task.headline,
        test="McNemar, exact" if exact else "paired bootstrap",
        challenger=mine,
        champion=theirs,
        difference=mine - theirs,
        low=low,
        high=high,
        confidence=CONFIDENCE,
        p=p,
        n=len(labels),
        better=better,
        worse=worse,
        each=each,
    )


def constant(task: GlueTask, labels: "Numbers") -> "Numbers":
    """The best answer that looks at no text: always one class, the one with the best metric; for a score, zero."""
    answers = [np.full_like(labels, answer) for answer in (range(task.num_labels) if task.labels else [0])]
    return max(answers, key=lambda answer: _headline(task, labels, answer))


def _discordant(labels: "Numbers", champion: "Numbers", challenger: "Numbers") -> tuple[int, int]:
    mine, theirs = challenger == labels, champion == labels
    return int((mine & ~theirs).sum()), int((theirs & ~mine).sum())


def _mcnemar(n: int, better: int, worse: int) -> tuple[float, float, float]:
    """Bounds of the difference of two accuracies on `n` examples, and the exact two-sided p."""
    from scipy.stats import binomtest, norm

    p = float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
    total, b, c = n + 2, better + 0.5, worse + 0.5  # half an example in each of the four cells
    middle = (b - c) / total
    width = float(norm.ppf((1 + CONFIDENCE) / 2)) * np.sqrt(b + c - (b - c) ** 2 / total) / total
    return middle - width, middle + width, p


def _resampled(
    task: GlueTask, labels: "Numbers", champion: "Numbers", challengers: Sequence["Numbers"]
) -> tuple[float, float, float]:
    """Bounds of the difference and p by paired bootstrap; where all resamples differ by the same, by that."""
    found = paired(task, labels, challengers, [champion])
    low, high = found["interval"] or (found["difference"],) * 2
    return low, high, found["p"]


def _headline(task: GlueTask, labels: "Numbers", said: "Numbers") -> float:
    return scores(task, said, labels)[task.headline]
