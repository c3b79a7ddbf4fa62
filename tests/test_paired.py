"""The paired comparison of two models: by hand, against scipy, and its false alarms by simulation."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from tasks.core.catalog import glue_task
from tasks.core.errors import BadData
from tasks.models import intervals
from tasks.models.paired import paired, read


def noisy(labels: np.ndarray, right: float, draw: np.random.Generator, classes: int = 2) -> np.ndarray:
    return np.where(draw.random(len(labels)) < right, labels, draw.integers(0, classes, len(labels)))


def test_the_difference_is_that_of_the_means_over_seeds() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 408)
    ours, theirs = [noisy(labels, 0.8, draw) for _ in range(3)], [noisy(labels, 0.6, draw) for _ in range(2)]
    found = paired(glue_task("mrpc"), labels, ours, theirs)
    means = [np.mean([sklearn_metrics.f1_score(labels, said) for said in of]) for of in (ours, theirs)]
    assert found["metric"] == "f1"
    assert found["difference"] == pytest.approx(means[0] - means[1])
    assert found["interval"][0] < found["difference"] < found["interval"][1]
    assert found["p"] < 0.001
    assert paired(glue_task("mrpc"), labels, theirs, ours)["difference"] == pytest.approx(-found["difference"])


def test_the_interval_is_that_of_scipy_for_scores() -> None:
    draw = np.random.default_rng(1)
    labels = draw.uniform(0, 5, 120)
    one, other = labels + draw.normal(0, 1, 120), labels + draw.normal(0, 1.4, 120)

    def difference(truth: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
        return float(stats.pearsonr(a, truth).statistic - stats.pearsonr(b, truth).statistic)

    peer = stats.bootstrap(
        (labels, one, other), difference, paired=True, vectorized=False, n_resamples=1500, rng=np.random.default_rng(2)
    ).confidence_interval
    found = paired(glue_task("stsb"), labels, [one], [other])
    width = peer.high - peer.low
    assert found["interval"] == pytest.approx([peer.low, peer.high], abs=0.08 * width)


def test_equal_predictions_do_not_differ() -> None:
    labels = np.array([0, 1, 2, 1, 0, 2, 1])
    said = np.array([0, 1, 1, 1, 0, 2, 2])
    found = paired(glue_task("mnli"), labels, [said], [said])
    assert (found["difference"], found["interval"], found["p"]) == (0.0, None, 1.0)


def test_what_two_models_share_of_their_errors_falls_out() -> None:
    """On 277 examples of which two models err on the same ones but for 12, 3 points can show; by 11 if unpaired."""
    labels = np.tile([0, 1], 139)[:277]
    other = np.where(np.arange(277) % 3 == 0, 1 - labels, labels)
    ours = other.copy()
    ours[np.arange(277) % 3 == 0] = np.where(np.arange(93) < 10, labels[::3], other[::3])
    ours[1] = 1 - labels[1]
    ours[4] = 1 - labels[4]
    found = paired(glue_task("rte"), labels, [ours], [other])
    assert found["difference"] == pytest.approx(8 / 277)
    assert found["p"] < 0.05
    assert found["p"] == pytest.approx(stats.binomtest(2, 12).pvalue, abs=0.03)  # McNemar's exact test


def test_false_alarms_are_one_in_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of equally good models on 277 examples: 5 % are told apart, within what 600 pairs can say."""
    monkeypatch.setattr(intervals, "DRAWS", 1000)  # of each: 999 resamples
    draw = np.random.default_rng(5)
    alarms, held = 0, 0
    for _ in range(600):
        labels = draw.integers(0, 2, 277)
        found = paired(glue_task("rte"), labels, [noisy(labels, 0.3, draw)], [noisy(labels, 0.3, draw)])
        alarms += found["p"] < 0.05
        held += found["interval"][0] <= 0 <= found["interval"][1]
    assert alarms / 600 == pytest.approx(0.05, abs=0.03)
    assert 0.93 <= held / 600 <= 0.97


def test_predictions_out_of_order_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "validation.parquet"
    pq.write_table(pa.table({"idx": [1, 0], "label": [0, 1], "prediction": [0, 1]}), path)
    with pytest.raises(BadData, match="order"):
        read(glue_task("rte"), tmp_path)
