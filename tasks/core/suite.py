"""A suite: tasks x seeds as requests, in an order in which what others start from comes first.

cells(Suite(tasks=("rte", "mnli"), seeds=(1, 2), transfer=True))
  ->  mnli seed 1, mnli seed 2, rte seed 1 (from mnli seed 1), rte seed 2 (from mnli seed 2)
"""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from tasks.core.catalog import TRAINABLE, TRANSFER, Trainable
from tasks.core.form import form
from tasks.core.specs import GlueRun, Seed, SuiteOptions, Training


class Suite(SuiteOptions):
    """One request for many runs that differ in task and seed alone."""

    model_config = ConfigDict(
        json_schema_extra=form("tasks", "data", "checkpoint", "seeds", "training", "as_of", "transfer", "force")
    )

    tasks: Annotated[
        tuple[Trainable, ...], Field(title="Tasks", min_length=1, description="GLUE configurations; all nine if none")
    ] = TRAINABLE
    seeds: Annotated[tuple[Seed, ...], Field(title="Seeds", min_length=1, description="one run a task and seed")] = (
        1,
        2,
        3,
    )
    training: Annotated[Training, Field(title="Training")] = Training()

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        for name in ("tasks", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: one of {', '.join(map(str, values))} is named twice")
        return self


def cells(suite: Suite) -> tuple[GlueRun, ...]:
    """Every run of the suite, MNLI before those that may start from it."""
    common = suite.model_dump(exclude={"tasks", "seeds", "training", "transfer"})
    order = sorted(suite.tasks, key=lambda task: (task != "mnli", task in TRANSFER))
    return tuple(
        GlueRun(task=task, seed=seed, training=suite.training, transfer=suite.transfer and task in TRANSFER, **common)
        for task in order
        for seed in suite.seeds
    )


def title(request: GlueRun) -> str:
    return f"{request.task} seed {request.seed}"
