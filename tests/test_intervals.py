"""Intervals over examples: scipy's own BCa to its noise, and real coverage for the sizes of the GLUE tasks."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from tasks.core.catalog import GLUE, glue_task
from tasks.models import intervals as module
from tasks.models.intervals import intervals, of_cells
from tasks.models.metrics import collapsed, majority, scores
from tests.conftest import FULL, some

PEERS = {
    "rte": sklearn_metrics.accuracy_score,
    "mrpc": sklearn_metrics.f1_score,
    "ax": sklearn_metrics.matthews_corrcoef,
    "stsb": lambda labels, predicted: stats.pearsonr(labels, predicted).statistic,
}


def guessed(name: str, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that are often right, and labels."""
    task, draw = glue_task(name), np.random.default_rng(seed)
    if task.is_regression:
        labels = np.round(draw.uniform(0, 5, rows), 1)
        return labels + draw.normal(0, 1, rows), labels
    labels = draw.integers(0, task.num_labels, rows)
    return np.where(draw.random(rows) < 0.6, labels, draw.integers(0, task.num_labels, rows)), labels


@pytest.mark.parametrize("name", list(PEERS))
def test_the_ends_are_those_of_scipy(name: str) -> None:
    predicted, labels = guessed(name, 150, 4)
    peer = stats.bootstrap(
        (labels, predicted), PEERS[name], paired=True, vectorized=False, n_resamples=800, rng=np.random.default_rng(1)
    ).confidence_interval
    found = intervals(glue_task(name), predicted, labels)
    first = found[glue_task(name).headline]
    width = peer.high - peer.low
    assert first == pytest.approx([peer.low, peer.high], abs=0.1 * width)  # 800 resamples: an end's own noise
    assert found == intervals(glue_task(name), predicted, labels)


def test_spearman_of_a_resample_is_that_of_its_rows() -> None:
    """With ties; rows drawn twice, and rows not drawn."""
    draw = np.random.default_rng(0)
    one, other = draw.integers(0, 9, 40) / 2, draw.integers(0, 7, 40) / 2
    weights = np.stack([np.bincount(draw.integers(0, 40, 40), minlength=40) for _ in range(20)])
    wanted = [stats.spearmanr(one.repeat(w), other.repeat(w)).statistic for w in weights]
    assert module._spearman(one, other)(weights.astype(float)) == pytest.approx(wanted)
    wanted = [stats.pearsonr(one.repeat(w), other.repeat(w)).statistic for w in weights]
    assert module._pearson(one, other)(weights.astype(float)) == pytest.approx(wanted)


@pytest.mark.parametrize("name", list(GLUE))
def test_the_score_lies_within_for_every_task(name: str) -> None:
    predicted, labels = guessed(name, 400, 2)
    exact = scores(glue_task(name), predicted, labels)
    for metric, ends in intervals(glue_task(name), predicted, labels).items():
        assert ends is not None
        assert ends[0] < exact[metric] < ends[1]


def test_where_resampling_says_nothing() -> None:
    labels = np.array([0, 1, 1, 0, 1])
    ones = np.ones(5, int)
    assert intervals(glue_task("cola"), ones, labels) == {"matthews_correlation": None}
    assert intervals(glue_task("stsb"), np.full(5, 2.5), labels / 1.0) == {"pearson": None, "spearmanr": None}
    low, high = intervals(glue_task("rte"), labels, labels)["accuracy"] or (0, 0)
    assert (low, high) == (pytest.approx(1 / (1 + 1.959964**2 / 5)), 1)  # Wilson's end at 5 of 5


def test_fewer_examples_than_cells_of_the_confusion_matrix() -> None:
    (ends,) = intervals(glue_task("mnli"), np.array([0, 1, 2, 1]), np.array([0, 1, 2, 2])).values()
    assert ends is not None
    assert 0 <= ends[0] < 0.75 < ends[1] <= 1


def test_the_majority_class_and_collapse() -> None:
    mrpc, stsb = glue_task("mrpc"), glue_task("stsb")
    training, labels = np.array([1, 1, 0]), np.array([1, 0, 1, 1])
    assert majority(mrpc, training, labels) == pytest.approx({"f1": 6 / 7, "accuracy": 3 / 4})
    assert majority(stsb, training / 1.0, labels / 1.0) == {"pearson": 0.0, "spearmanr": 0.0}
    assert collapsed(mrpc, np.array([1, 1, 1, 1]), labels)
    assert not collapsed(mrpc, np.array([1, 1, 1, 0]), labels)
    assert collapsed(stsb, np.array([2.50, 2.51, 2.52]), np.array([0.0, 2.5, 5.0]))
    assert not collapsed(stsb, np.array([2.0, 2.5, 3.0]), np.array([0.0, 2.5, 5.0]))


# task, and a model's chances: share of the second class, and how often each class is recognised
MODELS = [
    ("wnli", 0.44, 0.55, 0.60),
    ("rte", 0.47, 0.60, 0.66),
    ("mrpc", 0.68, 0.92, 0.60),
    ("mrpc", 0.68, 0.98, 0.15),
    ("sst2", 0.51, 0.93, 0.91),
    ("cola", 0.69, 0.93, 0.50),
    ("cola", 0.69, 0.97, 0.06),
    ("qnli", 0.50, 0.90, 0.91),
    ("qqp", 0.37, 0.88, 0.92),
]


@pytest.mark.slow
def test_intervals_hold_what_they_promise() -> None:
    """Of 1,500 made-up validation sets of each size, 93 to 97 % of the intervals hold the true score (its own noise:
    0.6 points). MNLI and AX with three classes, STS-B with 300 sets."""
    found: dict[str, float] = {}
    draw = np.random.default_rng(20261125)
    for name, share, hit, reject in some(MODELS, 3):
        chances = np.array([(1 - share) * reject, (1 - share) * (1 - reject), share * (1 - hit), share * hit])
        for metric in glue_task(name).metrics:
            found[f"{name} {metric} {hit}/{reject}"] = covered(name, metric, chances, draw)
    three = (np.eye(3) * 0.7 + 0.1).ravel() / 3
    found["mnli accuracy"] = covered("mnli", "accuracy", three, draw)
    found["ax matthews"] = covered("ax", "matthews_correlation", (np.eye(3) * 0.25 + 0.25).ravel() / 3, draw)
    found |= covered_pairs(draw, 1500 if FULL else 250)
    for what, share in found.items():
        print(f"{what:<44} {100 * share:.1f} %")
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


def covered(name: str, metric: str, chances: np.ndarray, draw: np.random.Generator, sets: int = 1500) -> float:
    task = glue_task(name)
    rows = (task.validation or task.splits)[0].rows
    score = module.CLASS_METRICS[metric]
    width = round(len(chances) ** 0.5)
    true = score(chances.reshape(width, width))
    ends = [of_cells(score, cells, draw, 1999) for cells in draw.multinomial(rows, chances, sets)]
    return float(np.mean([end is not None and end[0] <= true <= end[1] for end in ends]))


def covered_pairs(draw: np.random.Generator, rows: int, sets: int = 300) -> dict[str, float]:
    """Pairs from a normal law with correlation 0.85, of which Spearman's is 6/π·asin(0.425)."""
    true = {"pearson": 0.85, "spearmanr": 6 / np.pi * np.arcsin(0.85 / 2)}
    hits = dict.fromkeys(true, 0)
    for _ in range(sets):
        one, noise = draw.normal(size=(2, rows))
        for metric, correlation in module.CORRELATIONS.items():
            ends = module.of_pairs(correlation(one, 0.85 * one + np.sqrt(1 - 0.85**2) * noise), rows, draw, 999)
            hits[metric] += ends is not None and ends[0] <= true[metric] <= ends[1]
    return {f"stsb {metric}": count / sets for metric, count in hits.items()}
