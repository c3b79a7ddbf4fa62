"""The statistics of the gate against definitions, a library, and simulated truth."""

from math import comb

import numpy as np
import pytest

from tasks.core.catalog import GlueTask, glue_task
from tasks.models.compare import compare, constant
from tasks.models.metrics import scores

RTE, MRPC, COLA, STSB = map(glue_task, ("rte", "mrpc", "cola", "stsb"))


def pair(n: int, better: int, worse: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, champion and challenger: `better` examples that only the challenger got right, `worse` the reverse."""
    labels = np.arange(n) % 2
    champion, challenger = labels.copy(), labels.copy()
    champion[:better] ^= 1
    challenger[better : better + worse] ^= 1
    return labels, champion, challenger


def headline(task: GlueTask, labels: np.ndarray, said: np.ndarray) -> float:
    return scores(task, said, labels)[task.headline]


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (3, 11), (20, 20), (30, 12)])
def test_mcnemar_by_definition(better: int, worse: int) -> None:
    labels, champion, challenger = pair(200, better, worse)
    found = compare(RTE, labels, champion, [challenger])
    n, k = better + worse, min(better, worse)
    assert found.p == pytest.approx(min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n))
    assert (found.better, found.worse, found.n, found.test) == (better, worse, 200, "McNemar, exact")
    assert found.difference == pytest.approx((better - worse) / 200)
    assert found.low < found.difference < found.high or better == worse == 0


@pytest.mark.parametrize(("task", "truth"), [(RTE, 0.0), (RTE, 0.05), (MRPC, None)])
def test_the_interval_holds_the_truth_19_times_in_20(task: GlueTask, truth: float | None) -> None:
    """Of 200 development sets drawn from one population, the intervals of about 95 % hold the population's value."""
    rng, size = np.random.default_rng(1), 200_000
    labels = rng.integers(0, 2, size)
    champion = np.where(rng.random(size) < 0.75, labels, 1 - labels)
    flip = rng.random(size) < 0.1
    challenger = np.where(flip, 1 - champion, champion)
    if truth == 0.05:
        challenger = np.where(flip & (champion == labels) & (rng.random(size) < 0.8), champion, challenger)
    real = headline(task, labels, challenger) - headline(task, labels, champion)
    held = 0
    for _ in range(200):
        rows = rng.integers(0, size, 150)
        found = compare(task, labels[rows], champion[rows], [challenger[rows]])
        held += found.low <= real <= found.high
    assert 0.90 <= held / 200 <= 0.99


def test_equal_models_differ_in_nothing_and_an_interval_shrinks_with_examples() -> None:
    labels, champion, challenger = pair(400, 30, 20)
    assert compare(MRPC, labels, champion, [champion]).difference == 0.0
    few, many = (compare(MRPC, np.tile(labels, k), np.tile(champion, k), [np.tile(challenger, k)]) for k in (1, 9))
    assert few.difference == pytest.approx(many.difference)
    assert (many.high - many.low) == pytest.approx((few.high - few.low) / 3, rel=0.15)


def test_several_seeds_are_judged_by_their_mean() -> None:
    labels, champion, challenger = pair(300, 40, 10)
    found = compare(RTE, labels, champion, [challenger, champion])
    assert found.each == pytest.approx((290 / 300, 260 / 300))
    assert found.challenger == pytest.approx(275 / 300)
    assert found.test == "paired bootstrap"


def test_regression_and_what_a_constant_answer_is_worth() -> None:
    rng = np.random.default_rng(2)
    labels = rng.uniform(0, 5, 200)
    near, far = labels + rng.normal(0, 0.5, 200), labels + rng.normal(0, 3, 200)
    found = compare(STSB, labels, far, [near])
    assert found.low > 0
    assert found.p < 0.01
    assert (constant(STSB, labels) == 0).all()
    skewed = np.array([1] * 70 + [0] * 30)
    assert (constant(MRPC, skewed) == 1).all()
    assert headline(MRPC, skewed, constant(MRPC, skewed)) == pytest.approx(2 * 0.7 / 1.7)
    assert headline(COLA, skewed, constant(COLA, skewed)) == 0.0
