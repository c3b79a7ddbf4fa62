"""How far a score could be off because the examples are few: 95 % intervals by the bootstrap over examples.

intervals(mrpc, predicted, labels)  ->  {"f1": [0.829, 0.880], "accuracy": [0.745, 0.824]}

BCa (Efron 1987, as in `scipy.stats.bootstrap`) from what suffices: a class metric depends on the confusion matrix
alone, so that a resample is one multinomial draw of its cells whatever the number of examples; a correlation depends on
how often each example was drawn. Seeded: the same predictions have the same interval.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tasks.core.catalog import GlueTask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.models.metrics import Numbers

    Floats = NDArray[np.float64]
    Metric = Callable[[Floats], Floats]

RESAMPLES = 9_999
CONFIDENCE = 0.95
DRAWS = 15_000_000  # of examples in all resamples together: more than STS-B's 1,500 pairs are resampled less often
BLOCK = 2_000_000  # weights in memory at a time
JACKKNIFE = 2_000  # examples that are left out in turn; of more, so many at equal distances


def intervals(task: GlueTask, predicted: "Numbers", references: "Numbers") -> dict[str, list[float] | None]:
    """Low and high end by metric; both arguments are `(examples,)`. None where resampling says nothing: all resamples
    have the same score, as when one class alone is predicted. An accuracy of 0 or 1 has Wilson's interval."""
    found: dict[str, list[float] | None] = {}
    for name in task.metrics:
        ends = _ends(name, task, predicted, references)
        found[name] = None if ends is None else [float(ends[0]), float(ends[1])]
    return found


def _ends(name: str, task: GlueTask, predicted: "Numbers", references: "Numbers") -> "Floats | None":
    draw = np.random.default_rng(0)
    if name in CORRELATIONS:
        return of_pairs(CORRELATIONS[name](predicted, references), len(references), draw)
    cells = np.bincount(references * task.num_labels + predicted, minlength=task.num_labels**2)
    if name == "accuracy" and (hits := int((predicted == references).sum())) in (0, len(references)):
        from scipy.stats import binomtest

        return np.array(binomtest(hits, len(references)).proportion_ci(CONFIDENCE, method="wilson"))
    return of_cells(CLASS_METRICS[name], cells, draw)


def of_cells(
    metric: "Metric", cells: "NDArray[np.integer]", draw: np.random.Generator, resamples: int = RESAMPLES
) -> "Floats | None":
    """The interval of a metric of confusion matrices `(…, labels, labels)`, from one matrix as a flat array."""
    width = round(len(cells) ** 0.5)
    return bootstrap(lambda counts: metric(counts.reshape(-1, width, width)), cells, draw, resamples)[0]


def of_pairs(metric: "Metric", rows: int, draw: np.random.Generator, resamples: int = RESAMPLES) -> "Floats | None":
    """The interval of a correlation, a function of how often each of so many examples counts."""
    return bootstrap(metric, np.ones(rows, int), draw, resamples)[0]


def bootstrap(
    metric: "Metric", times: "NDArray[np.integer]", draw: np.random.Generator, resamples: int = RESAMPLES
) -> "tuple[Floats | None, Floats]":
    """The interval of a metric, and the metric of each resample. `metric` takes how often each kind of example counts,
    `(resamples, kinds)`, and `times` says how often each kind is there."""
    resamples = max(999, min(resamples, DRAWS // len(times)))
    filled = np.flatnonzero(times)
    left_out = filled[np.unique(np.linspace(0, len(filled) - 1, min(len(filled), JACKKNIFE)).astype(int))]

    def without(some: "NDArray[np.intp]") -> "Floats":
        weights = np.repeat(times[None].astype(float), len(some), 0)
        weights[np.arange(len(some)), some] -= 1
        return weights

    size = max(1, BLOCK // len(times))
    sizes = [min(size, resamples - start) for start in range(0, resamples, size)]
    resampled = np.concatenate([metric(_drawn(times, count, draw)) for count in sizes])
    parts = [left_out[start : start + size] for start in range(0, len(left_out), size)]
    jackknife = np.concatenate([metric(without(some)) for some in parts])
    share = times[left_out] * (times.sum() / times[left_out].sum())
    return _bca(resampled, metric(times[None].astype(float)), jackknife, share), resampled


def _drawn(times: "NDArray[np.integer]", resamples: int, draw: np.random.Generator) -> "Floats":
    """How often each kind is drawn, as many examples as there are; each example by itself is drawn faster by number."""
    total = int(times.sum())
    if (times != 1).any():
        return draw.multinomial(total, times / total, resamples).astype(float)
    chosen = draw.integers(total, size=(resamples, total)) + np.arange(resamples)[:, None] * total
    return np.bincount(chosen.ravel(), minlength=chosen.size).reshape(chosen.shape).astype(float)


def _bca(resampled: "Floats", score: "Floats", left_out: "Floats", times: "Floats") -> "Floats | None":
    """Percentiles of the resamples, moved for bias and skew (Efron and Tibshirani 1993, 14.3). `left_out` are scores
    without one example, each of which stands for so many as `times` says."""
    from scipy.special import ndtr, ndtri

    rows = times.sum()
    pull = (rows - 1) * (np.average(left_out, weights=times) - left_out)
    spread = (times * pull**2).sum()
    if np.ptp(resampled) == 0 or spread == 0:
        return None
    skew = (times * pull**3).sum() / spread**1.5 / 6
    below = ((resampled < score).mean() + (resampled <= score).mean()) / 2
    bias = ndtri(below)
    ends = bias + ndtri(np.array([1 - CONFIDENCE, 1 + CONFIDENCE]) / 2)
    found: Floats = np.percentile(resampled, 100 * ndtr(bias + ends / (1 - skew * ends)))
    return found


def accuracy(cells: "Floats") -> "Floats":
    return _ratio(np.trace(cells, axis1=-2, axis2=-1), cells.sum((-2, -1)))


def f1(cells: "Floats") -> "Floats":
    """Of the second class, as GLUE counts it; 0 where it is neither there nor predicted."""
    return _ratio(2 * cells[..., 1, 1], cells[..., 1, :].sum(-1) + cells[..., :, 1].sum(-1))


def matthews(cells: "Floats") -> "Floats":
    """For any number of classes (Gorodkin 2004); 0 with a constant."""
    rows, truth, said = cells.sum((-2, -1)), cells.sum(-1), cells.sum(-2)
    covariance = np.trace(cells, axis1=-2, axis2=-1) * rows - (truth * said).sum(-1)
    return _ratio(covariance, np.sqrt((rows**2 - (truth**2).sum(-1)) * (rows**2 - (said**2).sum(-1))))


def _pearson(one: "Numbers", other: "Numbers") -> "Metric":
    x, y = one - one.mean(dtype=float), other - other.mean(dtype=float)
    moments = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], 1)
    return lambda weights: _correlation(*(weights @ moments).T)


def _spearman(one: "Numbers", other: "Numbers") -> "Metric":
    """Ranks need no new sorting: an example's rank in a resample is the number of draws below it, and half its ties."""
    groups = [np.unique(series, return_inverse=True)[1] for series in (one, other)]
    orders = [np.argsort(group, kind="stable") for group in groups]

    def ranks(weights: "Floats", group: "NDArray[np.intp]", order: "NDArray[np.intp]") -> "Floats":
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        held = np.add.reduceat(weights[:, order], starts, axis=1)
        middle: Floats = held.cumsum(1) - held / 2 - weights.sum(1, keepdims=True) / 2
        return middle[:, group]

    def metric(weights: "Floats") -> "Floats":
        x, y = (ranks(weights, group, order) for group, order in zip(groups, orders, strict=True))
        wx, wy = weights * x, weights * y
        sums = weights.sum(1), wx.sum(1), wy.sum(1), (wx * x).sum(1), (wy * y).sum(1), (wx * y).sum(1)
        return _correlation(*sums)

    return metric


def _correlation(n: "Floats", x: "Floats", y: "Floats", xx: "Floats", yy: "Floats", xy: "Floats") -> "Floats":
    """From weighted sums; 0 with a constant."""
    return _ratio(n * xy - x * y, np.sqrt(np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)))


def _ratio(above: "Floats", below: "Floats") -> "Floats":
    found: Floats = np.divide(above, below, out=np.zeros_like(below), where=below > 0)
    return found


CLASS_METRICS = {"accuracy": accuracy, "f1": f1, "matthews_correlation": matthews}
CORRELATIONS = {"pearson": _pearson, "spearmanr": _spearman}
