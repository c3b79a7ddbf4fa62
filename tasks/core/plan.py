"""What a run would do: five steps wired by their keys, before anything is touched.

    plan(GlueRun(task="mrpc", data="sample:", checkpoint="packaged:all-MiniLM-L6-v2"))
      fetch 4c1f… -> encode 91aa… -> finetune 0b7e… -> evaluate c2d0… -> register e91b…

Moving names are resolved first (`tasks/core/resolve.py`); a key is then a pure function of what was resolved.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from importlib.metadata import version

from tasks.core.keys import Canonical, identity, step_key
from tasks.core.machine import has_bfloat16
from tasks.core.own import model_name
from tasks.core.resolve import Pinned, resolve_checkpoint, resolve_data
from tasks.core.specs import (
    EncodeSpec,
    EvaluateSpec,
    FetchSpec,
    FinetuneSpec,
    GlueRun,
    RegisterSpec,
    Spec,
    StepName,
)


@dataclass(frozen=True)
class Recipe:
    """A step's VERSION, raised when it writes other bytes for the same spec, and the libraries that decide them."""

    version: int
    libraries: tuple[str, ...]


RECIPES: dict[StepName, Recipe] = {
    "fetch": Recipe(2, ("pyarrow",)),
    "encode": Recipe(1, ("pyarrow", "tokenizers", "transformers")),
    "finetune": Recipe(3, ("accelerate", "numpy", "torch", "transformers")),
    "evaluate": Recipe(5, ("numpy", "pyarrow", "scikit-learn", "scipy", "torch", "transformers")),
    "register": Recipe(3, ()),
    "answer": Recipe(1, ("pyarrow", "torch", "transformers")),
}


_version = cache(version)  # none changes while a process lives


@dataclass(frozen=True)
class PlannedStep:
    """One step with all that names it, and the places of what it reads, which do not."""

    step: StepName
    spec: Spec
    inputs: dict[str, str]
    sources: dict[str, str]

    @cached_property
    def identity(self) -> dict[str, Canonical]:
        return identity(*self._parts)

    @cached_property
    def key(self) -> str:
        return step_key(*self._parts)

    @property
    def folder(self) -> str:
        """Where the step's entry lies in the store."""
        return f"steps/{self.step}/{self.key}"

    @property
    def lease(self) -> str:
        """The object that whoever builds the step holds."""
        return f"leases/{self.key}.json"

    @property
    def _parts(self) -> tuple[str, int, dict[str, Canonical], dict[str, str], dict[str, str]]:
        recipe = RECIPES[self.step]
        libraries = {name: _version(name) for name in recipe.libraries}
        return self.step, recipe.version, self.spec.model_dump(), self.inputs, libraries


@dataclass(frozen=True)
class Plan:
    """A resolved request and its steps in order; the plan of the MNLI run whose model it starts from, if it does."""

    request: GlueRun
    data: Pinned
    checkpoint: Pinned
    steps: tuple[PlannedStep, ...]
    ancestor: "Plan | None" = None

    def step(self, name: StepName) -> PlannedStep:
        return next(step for step in self.steps if step.step == name)


def plan(
    request: GlueRun,
    data_of: Callable[[str, str, date | None], Pinned] = resolve_data,
    checkpoint_of: Callable[[str, bool], Pinned] = resolve_checkpoint,
) -> Plan:
    """Resolve the request and name its steps; raises WrongRequest for what does not exist. Who plans many runs hands
    over resolvers that remember their answers."""
    data = data_of(request.data, request.task, request.as_of)
    training = request.training
    checkpoint = checkpoint_of(request.checkpoint, training.init == "pretrained")
    precision = training.precision
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16() else "float32"
    sources = {"checkpoint": checkpoint.location}
    ancestor = plan(request.ancestor, data_of, checkpoint_of) if request.ancestor else None
    start = {"transfer": ancestor.step("finetune").key} if ancestor else {}

    described = FetchSpec(task=request.task, data=data.revision, own=data.own)
    fetch = PlannedStep("fetch", described, {}, {"data": data.location})
    encode = PlannedStep(
        "encode",
        EncodeSpec(task=request.task, checkpoint=checkpoint.revision, max_length=training.max_length),
        {"fetch": fetch.key},
        sources,
    )
    finetune = PlannedStep(
        "finetune",
        FinetuneSpec(
            task=request.task,
            checkpoint=checkpoint.revision,
            seed=request.seed,
            precision=precision,
            **training.model_dump(exclude={"max_length", "precision"}),
        ),
        {"encode": encode.key, **start},
        sources,
    )
    evaluate = PlannedStep(
        "evaluate",
        EvaluateSpec(task=request.task, precision=precision),
        {"encode": encode.key, "finetune": finetune.key},
        {},
    )
    register = PlannedStep(
        "register",
        RegisterSpec(
            task=request.task,
            name=request.name or (model_name(request.data) if data.own else request.task),
            data=data.revision,
            checkpoint=checkpoint.revision,
        ),
        {"finetune": finetune.key, "evaluate": evaluate.key},
        {},
    )
    return Plan(request, data, checkpoint, (fetch, encode, finetune, evaluate, register), ancestor)
