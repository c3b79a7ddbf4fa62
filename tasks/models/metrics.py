"""GLUE's official metrics, by scikit-learn and scipy (Wang et al. 2018, section 3; the `glue` script of `evaluate`).

scores(mrpc, logits, labels)  ->  {"f1": 0.897, "accuracy": 0.853}
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tasks.core.catalog import GlueTask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Labels = NDArray[np.integer]
    Numbers = Labels | NDArray[np.floating]


def predictions(task: GlueTask, logits: "Floats") -> "Numbers":
    """Class indices `(examples,)` from logits `(examples, labels)`; for a regression the score itself."""
    return logits[:, 0] if task.is_regression else logits.argmax(axis=1)


def scores(task: GlueTask, predicted: "Numbers", references: "Numbers") -> dict[str, float]:
    """The task's metrics, headline first, each a share or a correlation; both arguments are `(examples,)`.

    A correlation with a constant is undefined; like scikit-learn's Matthews coefficient it counts as 0.0.
    """
    return {name: _METRICS[name](predicted, references) for name in task.metrics}


def majority(task: GlueTask, training: "Numbers", references: "Numbers") -> dict[str, float]:
    """The scores of a model that has learnt nothing but the most frequent class of the training labels; for a
    regression, their mean."""
    import numpy as np

    usual = training.mean() if task.is_regression else np.bincount(training).argmax()
    return scores(task, np.full(len(references), usual), references)


def confusion(references: "Labels", predicted: "Labels", labels: int) -> "NDArray[np.int64]":
    """How many examples of each label (a row) were given each label (a column): `(labels, labels)`."""
    import numpy as np

    counts = np.zeros((labels, labels), np.int64)
    np.add.at(counts, (references, predicted), 1)
    return counts


def collapsed(task: GlueTask, predicted: "Numbers", references: "Numbers") -> bool:
    """Whether one class alone is predicted; for a regression, scores within a hundredth of the labels' range."""
    spread = predicted.max() - predicted.min()
    return bool(spread <= (references.max() - references.min()) / 100 if task.is_regression else spread == 0)


def _accuracy(predicted: "Numbers", references: "Numbers") -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(references, predicted))


def _f1(predicted: "Numbers", references: "Numbers") -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(references, predicted, zero_division=0.0))


def _matthews(predicted: "Numbers", references: "Numbers") -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(references, predicted))


def _pearson(predicted: "Numbers", references: "Numbers") -> float:
    from scipy.stats import pearsonr

    return 0.0 if _constant(predicted, references) else float(pearsonr(predicted, references).statistic)


def _spearman(predicted: "Numbers", references: "Numbers") -> float:
    from scipy.stats import spearmanr

    return 0.0 if _constant(predicted, references) else float(spearmanr(predicted, references).statistic)


def _constant(*series: "Numbers") -> bool:
    return any((values == values[0]).all() for values in series)


_METRICS: dict[str, Callable[["Numbers", "Numbers"], float]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "matthews_correlation": _matthews,
    "pearson": _pearson,
    "spearmanr": _spearman,
}
