"""Backfills: the runs that a range of dates, tasks, checkpoints and seeds stands for.

    {"from_": "2026-10-01", "to": "2026-10-31", "every": "week", "tasks": ["mrpc", "rte"], "seeds": [1, 2]}
      ->  20 slots: 2026-10-01 mrpc seed 1, 2026-10-01 mrpc seed 2, …, 2026-10-29 rte seed 2

A slot is a `GlueRun` whose `as_of` is its date, so that each trains on the data as it was that day. The same backfill
asked for twice has the same identity, and so the same ledger.
"""

from datetime import UTC, date, datetime
from functools import cached_property
from itertools import count, takewhile
from typing import Annotated, Literal

from dateutil.relativedelta import relativedelta
from pydantic import Field, ValidationInfo, field_validator

from tasks.core.catalog import Trainable
from tasks.core.keys import digest
from tasks.core.specs import PACKAGED, Frozen, GlueRun, RunOptions, Seed, Training

Every = Literal["day", "week", "month"]
Mode = Literal["missing", "failed", "stale", "all"]  # which slots to run
First = Literal["oldest", "newest"]
DEPLOYMENT = "glue/on-demand"  # whose workers run slots
STRIDE = {"day": relativedelta(days=1), "week": relativedelta(weeks=1), "month": relativedelta(months=1)}


class SlotOptions(Frozen):
    """All of a backfill but its training: dates x tasks x checkpoints x seeds."""

    from_: Annotated[date, Field(title="From", description="date of the first slot")]
    to: Annotated[date, Field(title="To", description="no slot is later than this date")]
    every: Annotated[Every, Field(title="Every", description="a slot each day, week or month from the first on")] = (
        "week"
    )
    tasks: Annotated[tuple[Trainable, ...], Field(title="Tasks", min_length=1, description="GLUE configurations")] = (
        "mrpc",
    )
    data: Annotated[str, Field(title="Data", max_length=1024, description="as for a run; has dated revisions")] = (
        "hf://nyu-mll/glue"
    )
    checkpoints: Annotated[
        tuple[str, ...], Field(title="Checkpoints", min_length=1, description="as for a run, one or several")
    ] = (PACKAGED,)
    seeds: Annotated[tuple[Seed, ...], Field(title="Seeds", min_length=1, description="one or several")] = (
        RunOptions().seed,
    )

    @field_validator("to")
    @classmethod
    def _in_order(cls, to: date, known: ValidationInfo) -> date:
        if "from_" in known.data and to < known.data["from_"]:
            raise ValueError(f"it is before --from {known.data['from_']}, which leaves no slot")
        if to > datetime.now(UTC).date():
            raise ValueError("of the future there is no data yet")
        return to

    @field_validator("tasks", "checkpoints", "seeds")
    @classmethod
    def _once(cls, chosen: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if len(set(chosen)) < len(chosen):
            raise ValueError("name each once")
        return chosen


class Way(Frozen):
    """How a backfill is carried out; nothing of it is part of its identity."""

    mode: Annotated[
        Mode,
        Field(
            title="Mode",
            description="slots with a missing step; whose last attempt failed; that were done and lack a step since "
            "(stale); or all",
        ),
    ] = "missing"
    first: Annotated[First, Field(title="First", description="dates from the oldest on, or from the newest back")] = (
        "oldest"
    )
    at_once: Annotated[int, Field(title="At once", ge=1, le=100, description="slots under way at a time")] = 2
    stop_after: Annotated[
        int, Field(title="Stop after", ge=0, description="failures, then no more slots are submitted; 0: never")
    ] = 3
    lost_after: Annotated[
        int,
        Field(
            title="Lost after",
            ge=10,
            le=86_400,
            description="seconds without a sign of life of a slot under way; it is then submitted anew",
        ),
    ] = 300
    deployment: Annotated[str, Field(title="Deployment", description="whose workers run the slots")] = DEPLOYMENT


class Backfill(SlotOptions):
    """What a person asks for: slots, and how to train in each."""

    training: Annotated[Training, Field(title="Training")] = Training()

    @property
    def id(self) -> str:
        """Twelve digits that name the backfill and its ledger."""
        return digest(self.model_dump(mode="json"))[:12]

    @cached_property
    def dates(self) -> tuple[date, ...]:
        """The day of each slot. A month's slot keeps the day of the first, or takes the month's last."""
        days = (self.from_ + STRIDE[self.every] * number for number in count())
        return tuple(takewhile(lambda day: day <= self.to, days))

    @property
    def size(self) -> int:
        return len(self.dates) * len(self.tasks) * len(self.checkpoints) * len(self.seeds)

    def slots(self) -> dict[str, GlueRun]:
        """The request of each slot by its name, the oldest first."""
        many = len(self.checkpoints) > 1
        return {
            f"{day}-{task}-{f'checkpoint{number + 1}-' if many else ''}seed{seed}": GlueRun(
                task=task, data=self.data, checkpoint=checkpoint, seed=seed, as_of=day, training=self.training
            )
            for day in self.dates
            for task in self.tasks
            for number, checkpoint in enumerate(self.checkpoints)
            for seed in self.seeds
        }
