"""Figures over seeds, and what such figures could show: spread, 95 % intervals, the smallest visible difference.

over_seeds([0.852, 0.866, 0.870])   ->  {"seeds": 3, "mean": 0.863, "sd": 0.009, "interval": [0.839, 0.886]}
visible_by_seeds(0.009, seeds=3)    ->  0.027: two models of 3 seeds each that differ by less are hardly told apart

Smallest differences are those that a two-sided test at the 5 % level finds in 80 % of all cases, between two models
with the same spread (Student's t with 2k - 2 degrees of freedom; Reimers and Gurevych 2017: one seed shows nothing).
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

POWER, LEVEL = 0.80, 0.05
MOST = 1000  # seeds that are thought of


def over_seeds(scores: Sequence[float]) -> dict[str, Any]:
    """Mean, sample standard deviation and Student's interval; neither of the latter with one seed. Seeds of one and the
    same score, as when all collapsed, have no interval: how much others would differ cannot be seen from them."""
    count, mean = len(scores), statistics.fmean(scores)
    sd = statistics.stdev(scores) if count > 1 else None
    if not sd:
        return {"seeds": count, "mean": mean, "sd": sd, "interval": None}
    half = _t(1 - LEVEL / 2, count - 1) * sd / math.sqrt(count)
    return {"seeds": count, "mean": mean, "sd": sd, "interval": [mean - half, mean + half]}


def over_examples(ends: Sequence[Sequence[float] | None]) -> list[float] | None:
    """The interval over examples of the seeds' mean: the mean of the seeds' own. It errs on the wide side, for it holds
    when all seeds err on the same examples."""
    known = [pair for pair in ends if pair is not None]
    if not known:
        return None
    return [statistics.fmean(pair[end] for pair in known) for end in (0, 1)]


def visible_by_seeds(sd: float, seeds: int) -> float:
    """The smallest difference of two means of so many seeds that could show."""
    freedom = 2 * seeds - 2
    return sd * math.sqrt(2 / seeds) * (_t(1 - LEVEL / 2, freedom) + _t(POWER, freedom))


def visible_on_examples(ends: Sequence[float]) -> float:
    """The smallest difference of two models that the examples could show, if the models err independently; ones that
    err on the same examples are told apart sooner, by a paired test. From the interval of one of them."""
    from scipy.special import ndtri

    error = (ends[1] - ends[0]) / 2 / ndtri(1 - LEVEL / 2)
    return float((ndtri(1 - LEVEL / 2) + ndtri(POWER)) * error * 2**0.5)


def seeds_needed(sd: float, difference: float) -> int | None:
    """The fewest seeds a model with which that difference could show; None if more than MOST."""
    return next((seeds for seeds in range(2, MOST + 1) if visible_by_seeds(sd, seeds) <= difference), None)


def holm(chances: Sequence[float]) -> list[float]:
    """p-values of several tests together (Holm 1979): the chance of one false alarm among them stays below each."""
    order = sorted(range(len(chances)), key=lambda index: chances[index])
    adjusted, highest = [0.0] * len(chances), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[index]))
        adjusted[index] = highest
    return adjusted


def _t(share: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))
