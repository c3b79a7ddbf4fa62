"""How far a score could be off because the examples are few: 95 % intervals by the bootstrap over examples.

intervals(mrpc, predicted, labels)  ->  {"f1": [0.829, 0.880], "accuracy": [0.745, 0.824]}

BCa (Efron 1987, as in `scipy.stats.bootstrap`) from what suffices: a class metric depends on the confusion matrix
alone, so that a resample is one multinomial draw of its cells whatever the number of examples; a correlation depends on
how often each example was drawn. Seeded: the same predictions have the same interval.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.core.catalog import GlueTask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.models.metrics import Numbers

    Floats = NDArray[np.float64]

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
    if name in _CORRELATIONS:
        return _of_pairs(_CORRELATIONS[name](predicted, references), len(references), draw)
    cells = np.bincount(references * task.num_labels + predicted, minlength=task.num_labels**2)
    if name == "accuracy" and (hits := int((predicted == references).sum())) in (0, len(references)):
        from scipy.stats import binomtest

        return np.array(binomtest(hits, len(references)).proportion_ci(CONFIDENCE, method="wilson"))
    return of_cells(_CLASS_METRICS[name], cells, draw)


def of_cells(
    metric: "Callable[[Floats], Floats]",
    cells: "NDArray[np.integer]",
    draw: np.random.Generator,
    resamples: int = RESAMPLES,
) -> "Floats | None":
    """The interval of a metric of confusion matrices `(…, labels, labels)`, from one matrix as a flat array."""
    width = round(len(cells) ** 0.5)

    def scored(counts: "NDArray[np.integer]") -> "Floats":
        return metric(counts.reshape(-1, width, width).astype(float))

    filled = np.flatnonzero(cells)
    left_out = scored(cells - np.eye(len(cells), dtype=int)[filled])
    return _bca(
        scored(draw.multinomial(cells.sum(), cells / cells.sum(), resamples)), scored(cells), left_out, cells[filled]
    )


def _of_pairs(
    metric: "Callable[[Floats], Floats]", rows: int, draw: np.random.Generator, resamples: int = RESAMPLES
) -> "Floats | None":
    """The interval of a correlation, a function of how often each example counts, `(resamples, examples)`."""
    resamples = max(999, min(resamples, DRAWS // rows))
    left_out = np.unique(np.linspace(0, rows - 1, min(rows, JACKKNIFE)).astype(int))

    def drawn(start: int, stop: int) -> "Floats":
        chosen = draw.integers(rows, size=(stop - start, rows)) + np.arange(stop - start)[:, None] * rows
        return np.bincount(chosen.ravel(), minlength=chosen.size).reshape(chosen.shape).astype(float)

    def without(start: int, stop: int) -> "Floats":
        weights = np.ones((stop - start, rows))
        weights[np.arange(stop - start), left_out[start:stop]] = 0
        return weights

    size = max(1, BLOCK // rows)
    resampled = np.concatenate([metric(drawn(*block)) for block in _blocks(resamples, size)])
    jackknife = np.concatenate([metric(without(*block)) for block in _blocks(len(left_out), size)])
    share = np.full(len(left_out), rows / len(left_out))
    return _bca(resampled, metric(np.ones((1, rows))), jackknife, share)


def _blocks(total: int, size: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + size, total)) for start in range(0, total, size))


def _bca(
    resampled: "Floats", score: "Floats", left_out: "Floats", times: "NDArray[np.integer] | Floats"
) -> "Floats | None":
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


def _pearson(one: "Numbers", other: "Numbers") -> "Callable[[Floats], Floats]":
    x, y = one - one.mean(dtype=float), other - other.mean(dtype=float)
    moments = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], 1)
    return lambda weights: _correlation(*(weights @ moments).T)


def _spearman(one: "Numbers", other: "Numbers") -> "Callable[[Floats], Floats]":
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


_CLASS_METRICS = {"accuracy": accuracy, "f1": f1, "matthews_correlation": matthews}
_CORRELATIONS = {"pearson": _pearson, "spearmanr": _spearman}
