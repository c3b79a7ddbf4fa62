"""Whether one model is better than another on the same examples: a difference, its interval, and a p-value.

compare(mrpc, labels, champion, [challenger])
  ->  Comparison(metric="f1", test="paired bootstrap", challenger=0.866, champion=0.852, difference=0.014, low=-0.013 …)

The headline metric decides. Accuracy of two models: McNemar's exact test (McNemar 1947) on the examples that only one
of them got right, and the interval of Agresti and Min (2005), which holds for few of those, too. Any other metric, and
several challengers that differ in their seed: paired bootstrap over the examples, percentile interval (Efron and
Tibshirani 1993, chapter 13), with the challengers' mean metric. The interval covers the choice of examples and not that
of seeds, so that the metric of each challenger is told, too.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.catalog import GlueTask, Metric
from tasks.core.verdicts import Comparison

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[Any]

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 0  # the same predictions are judged the same
BLOCK = 4_000_000  # resampled numbers held at once


def compare(task: GlueTask, labels: "Numbers", champion: "Numbers", challengers: Sequence["Numbers"]) -> Comparison:
    """The comparison by the task's headline metric; every argument is `(examples,)`."""
    metric = METRICS[task.headline]
    each = tuple(float(metric(labels, one)) for one in challengers)
    theirs, mine = float(metric(labels, champion)), float(np.mean(each))
    better, worse = _discordant(labels, champion, challengers[0]) if not task.is_regression else (0, 0)
    exact = task.headline == "accuracy" and len(challengers) == 1
    low, high, p = _mcnemar(len(labels), better, worse) if exact else _bootstrap(metric, labels, champion, challengers)
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
    return max(answers, key=lambda answer: float(METRICS[task.headline](labels, answer)))


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


def _bootstrap(
    metric: "Callable[[Numbers, Numbers], Numbers]",
    labels: "Numbers",
    champion: "Numbers",
    challengers: Sequence["Numbers"],
) -> tuple[float, float, float]:
    """Bounds of the difference, and the two-sided p: twice the smaller share of resamples on one side of zero."""
    from scipy.stats import bootstrap

    def difference(drawn: "Numbers", theirs: "Numbers", *ours: "Numbers", axis: int) -> "Numbers":  # noqa: ARG001  # resampled, as the others are
        return np.asarray(np.mean([metric(drawn, one) for one in ours], axis=0) - metric(drawn, theirs))

    found = bootstrap(
        (labels, champion, *challengers),
        difference,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, BLOCK // len(labels)),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    drawn = np.asarray(found.bootstrap_distribution)
    p = min(1.0, 2 * (1 + min((drawn <= 0).sum(), (drawn >= 0).sum())) / (1 + len(drawn)))
    return float(found.confidence_interval.low), float(found.confidence_interval.high), float(p)


def _accuracy(labels: "Numbers", predicted: "Numbers") -> "Numbers":
    return np.asarray(np.mean(labels == predicted, axis=-1))


def _f1(labels: "Numbers", predicted: "Numbers") -> "Numbers":
    hits = ((labels == 1) & (predicted == 1)).sum(axis=-1)
    return _ratio(2.0 * hits, (labels == 1).sum(axis=-1) + (predicted == 1).sum(axis=-1))


def _pearson(labels: "Numbers", predicted: "Numbers") -> "Numbers":
    """Of two classes this is Matthews' coefficient; of a constant it counts as 0.0, as in tasks/models/metrics.py."""
    x = labels - labels.mean(axis=-1, keepdims=True)
    y = predicted - predicted.mean(axis=-1, keepdims=True)
    return _ratio((x * y).sum(axis=-1), np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1)))


def _ratio(above: "Numbers", below: "Numbers") -> "Numbers":
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=np.asarray(below) != 0)


METRICS: "dict[Metric, Callable[[Numbers, Numbers], Numbers]]" = {
    "accuracy": _accuracy,
    "f1": _f1,
    "matthews_correlation": _pearson,
    "pearson": _pearson,
}
