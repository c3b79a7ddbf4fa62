"""The GLUE score: the average of nine tasks, a task with two figures by their mean (Wang et al. 2018, section 3).

glue_score({"mrpc": {"f1": 0.86, "accuracy": 0.80}})
  ->  Score(83.0, ("mrpc",), ("cola", "sst2", …))     partial: it compares with nothing but the same tasks
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.core.catalog import TRAINABLE


@dataclass(frozen=True)
class Score:
    """In points of 100; the tasks that are in it and those that it lacks."""

    points: float
    tasks: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def is_partial(self) -> bool:
        return bool(self.missing)


def glue_score(metrics: Mapping[str, Mapping[str, float]]) -> Score | None:
    """From each task's metrics; MNLI's two are its matched and mismatched accuracy. None if there is no task."""
    of_tasks = {task: sum(metrics[task].values()) / len(metrics[task]) for task in TRAINABLE if metrics.get(task)}
    if not of_tasks:
        return None
    points = 100 * sum(of_tasks.values()) / len(of_tasks)
    return Score(points, tuple(of_tasks), tuple(task for task in TRAINABLE if task not in of_tasks))
