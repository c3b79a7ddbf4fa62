"""What many runs would build, before any is started: from one look at what is there, and what such steps took before.

    forecast(store, {"2026-10-01-mrpc-seed1": GlueRun(…), …})
      ->  [Slot("2026-10-01-mrpc-seed1", {"fetch": "hit", "encode": "hit", "finetune": "miss", …},
                "finetune: never built with seed 1 (there is 42)", seconds=412.0, bytes=91e6), …]

An entry counts here if its manifest is listed; the run itself looks closer. A step that several slots share is reckoned
to the first of them. Steps of which no earlier run is known have no estimate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from statistics import mean
from typing import Literal

from tasks.core.explain import closest, in_one_line, newest
from tasks.core.manifest import Manifest
from tasks.core.plan import PlannedStep, plan
from tasks.core.resolve import resolve_checkpoint, resolve_data
from tasks.core.specs import STEPS, GlueRun, StepName
from tasks.core.store import Store

EXPLAINED = 100  # slots whose reason is looked for; for more nobody would read them
State = Literal["hit", "miss", "shared"]
Cost = tuple[float, float]  # seconds, bytes


@dataclass(frozen=True)
class Slot:
    """One run: whether each step is there, is missing, or is built by an earlier slot; why it would build anything;
    what that may take in seconds and bytes, None if no such step has been seen."""

    name: str
    steps: dict[StepName, State]
    reason: str
    cost: Cost | None

    @property
    def done(self) -> bool:
        return set(self.steps.values()) == {"hit"}


def forecast(store: Store, slots: Mapping[str, GlueRun]) -> list[Slot]:
    """One row a slot, in their order. Each moving name is resolved once; raises WrongRequest for what is not there."""
    data_of, checkpoint_of = cache(resolve_data), cache(resolve_checkpoint)
    there = {key.split("/")[2] for key in store.sizes("steps/") if key.endswith("/manifest.json")}
    earlier = {step: newest(store, step) for step in STEPS}
    typical = _typical(entry for entries in earlier.values() for entry in entries)
    promised: set[str] = set()
    rows: list[Slot] = []
    for name, request in slots.items():
        states: dict[StepName, State] = {}
        lacking: list[PlannedStep] = []
        for step in plan(request, data_of, checkpoint_of).steps:
            states[step.step] = "hit" if step.key in there else "shared" if step.key in promised else "miss"
            if states[step.step] == "miss":
                lacking.append(step)
                promised.add(step.key)
        reason = _reason(lacking[0], earlier) if lacking and len(rows) < EXPLAINED else ""
        rows.append(Slot(name, states, reason, _sum(typical.get((step.step, step.spec.task)) for step in lacking)))
    return rows


def _reason(step: PlannedStep, earlier: Mapping[StepName, list[Manifest]]) -> str:
    return f"{step.step}: {in_one_line(closest(earlier[step.step], step.identity), step.inputs)}"


def _typical(entries: Iterable[Manifest]) -> dict[tuple[str, str], Cost]:
    """What such a step of such a task took, on the mean, by step and task."""
    seen: dict[tuple[str, str], list[Cost]] = {}
    for entry in entries:
        cost = entry.seconds, float(sum(file.size for file in entry.files))
        seen.setdefault((entry.step, entry.identity["spec"]["task"]), []).append(cost)
    return {kind: (mean(cost[0] for cost in costs), mean(cost[1] for cost in costs)) for kind, costs in seen.items()}


def _sum(costs: Iterable[Cost | None]) -> Cost | None:
    """All of them together; None if one is not known."""
    total = (0.0, 0.0)
    for cost in costs:
        if cost is None:
            return None
        total = total[0] + cost[0], total[1] + cost[1]
    return total
