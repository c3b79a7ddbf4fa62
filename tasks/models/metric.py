"""The official GLUE metrics as an `evaluate.Metric` that needs no hub.

GlueMetric(glue_task("mrpc")).compute(predictions=[1, 0], references=[1, 1])  ->  {"f1": 0.666…, "accuracy": 0.5}
"""

from typing import Any

import datasets
import evaluate
import numpy as np

from tasks.core.catalog import GlueTask
from tasks.models.metrics import scores

CITATION = "Wang et al. 2018, GLUE: A Multi-Task Benchmark and Analysis Platform, arXiv:1804.07461"


class GlueMetric(evaluate.Metric):
    """One task's metrics; kept in memory, for the cache file of `evaluate` is shared by runs that race for it."""

    def __init__(self, task: GlueTask) -> None:
        self.task = task
        super().__init__(config_name=task.name, keep_in_memory=True)

    def _info(self) -> evaluate.MetricInfo:
        kind = datasets.Value("float64" if self.task.is_regression else "int64")
        return evaluate.MetricInfo(
            description=f"The official metrics of GLUE's {self.task.name}: {', '.join(self.task.metrics)}.",
            citation=CITATION,
            inputs_description="predictions and references: one class index, or one score, for each example",
            features=datasets.Features({"predictions": kind, "references": kind}),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        return scores(self.task, np.asarray(predictions), np.asarray(references))
