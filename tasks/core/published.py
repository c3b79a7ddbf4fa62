"""What others report for the development sets of GLUE, to read one's own figures beside.

beside("mrpc", {"f1": 0.863}, {"f1": [0.83, 0.89]})
  ->  [{"model": "bert-base-cased", "metric": "f1", "published": 0.881, "score": 0.863, "within": True, …}, …]

"Within" says that the published figure lies in the 95 % interval of one's own: on so few examples, the two could be
the same. It says nothing where the training was cut, and figures on made-up data have nothing beside them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

EXAMPLE = "transformers, examples/pytorch/text-classification (1 run, fp16)"
MINILM = "Wang et al. 2020 (MiniLM), 6 layers of width 384"
ROBERTA = "Liu et al. 2019 (RoBERTa), median of 5 runs"
Figures = dict[str, dict[str, float]]
PUBLISHED: dict[tuple[str, str], Figures] = {
    ("bert-base-cased", EXAMPLE): {
        "cola": {"matthews_correlation": 56.8},
        "sst2": {"accuracy": 91.7},
        "mrpc": {"f1": 88.1, "accuracy": 83.6},
        "stsb": {"pearson": 88.7, "spearmanr": 88.6},
        "qqp": {"accuracy": 90.7, "f1": 87.4},
        "mnli": {"accuracy": 84.0, "accuracy_mismatched": 84.1},
        "qnli": {"accuracy": 91.0},
        "rte": {"accuracy": 65.3},
    },
    ("MiniLM-L6-H384", MINILM): {
        "cola": {"matthews_correlation": 47.5},
        "sst2": {"accuracy": 91.5},
        "mrpc": {"f1": 88.9},
        "qqp": {"accuracy": 90.6},
        "mnli": {"accuracy": 83.3},
        "qnli": {"accuracy": 90.5},
        "rte": {"accuracy": 68.8},
    },
    ("RoBERTa-base", ROBERTA): {
        "cola": {"matthews_correlation": 63.6},
        "sst2": {"accuracy": 94.8},
        "mrpc": {"accuracy": 90.2},
        "stsb": {"pearson": 91.2},
        "qqp": {"accuracy": 91.9},
        "mnli": {"accuracy": 87.6},
        "qnli": {"accuracy": 92.8},
        "rte": {"accuracy": 78.7},
    },
}


def beside(
    task: str, metrics: Mapping[str, float], intervals: Mapping[str, Sequence[float] | None]
) -> list[dict[str, Any]]:
    """A row for each published figure of a metric that there is; shares, not points."""
    rows = []
    for (model, source), figures in PUBLISHED.items():
        for metric, points in figures.get(task, {}).items():
            if metric in metrics:
                ends, figure = intervals.get(metric), points / 100
                within = None if ends is None else bool(ends[0] <= figure <= ends[1])
                row = {"task": task, "metric": metric, "score": metrics[metric], "interval": ends, "model": model}
                rows.append({**row, "published": figure, "within": within, "source": source})
    return rows
