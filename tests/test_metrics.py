"""The official metrics: equal to scikit-learn and scipy to 1e-9, and to values worked out by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from tasks.core.catalog import GLUE, glue_task
from tasks.models.metric import GlueMetric
from tasks.models.metrics import predictions, scores

PEERS = {
    "accuracy": sklearn_metrics.accuracy_score,
    "f1": sklearn_metrics.f1_score,
    "matthews_correlation": sklearn_metrics.matthews_corrcoef,
    "pearson": lambda labels, predicted: stats.pearsonr(predicted, labels)[0],
    "spearmanr": lambda labels, predicted: stats.spearmanr(predicted, labels)[0],
}


@pytest.mark.parametrize("name", list(GLUE))
@pytest.mark.parametrize("seed", range(5))
def test_every_task_equals_its_peers(name: str, seed: int) -> None:
    task = glue_task(name)
    draw = np.random.default_rng(seed)
    labels = draw.uniform(0, 5, 300) if task.is_regression else draw.integers(0, task.num_labels, 300)
    noise = labels + draw.normal(0, 1, 300)
    predicted = noise if task.is_regression else np.clip(np.round(noise), 0, task.num_labels - 1).astype(int)
    found = GlueMetric(task).compute(predictions=predicted, references=labels)
    assert list(found) == list(task.metrics)
    for metric, value in found.items():
        assert value == pytest.approx(PEERS[metric](labels, predicted), abs=1e-9)


def test_by_hand() -> None:
    """2 hits, 1 false alarm, 1 miss, 1 correct rejection: precision and recall 2/3, Matthews (2·1-1·1)/6."""
    labels, predicted = np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0])
    assert scores(glue_task("mrpc"), predicted, labels) == pytest.approx({"f1": 2 / 3, "accuracy": 3 / 5})
    assert scores(glue_task("cola"), predicted, labels) == pytest.approx({"matthews_correlation": 1 / 6})


def test_collapsed_predictions_have_a_score_that_is_a_number() -> None:
    labels = np.array([0.0, 2.5, 5.0])
    assert scores(glue_task("stsb"), np.ones(3), labels) == {"pearson": 0.0, "spearmanr": 0.0}
    ones = np.ones(3, int)
    assert scores(glue_task("cola"), ones, np.array([1, 0, 1])) == {"matthews_correlation": 0.0}
    assert scores(glue_task("mrpc"), ones * 0, ones) == {"f1": 0.0, "accuracy": 0.0}


def test_predictions_from_logits() -> None:
    logits = np.array([[0.1, 0.9], [2.0, -1.0]], np.float32)
    assert predictions(glue_task("mrpc"), logits).tolist() == [1, 0]
    assert predictions(glue_task("stsb"), logits[:, :1]).tolist() == pytest.approx([0.1, 2.0])
