"""The steps after a run's own that make its part of a leaderboard submission: its test splits, predicted.

answers(plan(GlueRun(task="mnli")))  ->  answer c41d… (mnli), fetch 07aa… -> encode 5e1b… -> answer 90c2… (ax)

They are planned on demand, for QQP's test split alone has 390,965 rows. AX has no training set: the model of MNLI
answers it (Wang et al. 2018, section 4).
"""

from tasks.core.plan import Plan, PlannedStep
from tasks.core.resolve import resolve_data
from tasks.core.specs import AnswerSpec, EncodeSpec, FetchSpec


def answers(planned: Plan) -> tuple[PlannedStep, ...]:
    """The step that predicts the test splits of the run's own task."""
    encode, finetune = planned.step("encode"), planned.step("finetune")
    inputs = {"encode": encode.key, "finetune": finetune.key}
    return (PlannedStep("answer", AnswerSpec(task=planned.request.task), inputs, {}),)


def diagnostics(planned: Plan) -> tuple[PlannedStep, ...]:
    """The steps by which the model of an MNLI run answers AX; raises WrongRequest if the data have no AX."""
    data = resolve_data(planned.request.data, "ax", planned.request.as_of)
    fetch = PlannedStep("fetch", FetchSpec(task="ax", data=data.revision), {}, {"data": data.location})
    tokens = planned.step("encode")
    assert isinstance(tokens.spec, EncodeSpec)  # noqa: S101  # the plan pairs names and specs
    spec = tokens.spec.model_copy(update={"task": "ax"})
    encode = PlannedStep("encode", spec, {"fetch": fetch.key}, tokens.sources)
    inputs = {"encode": encode.key, "finetune": planned.step("finetune").key}
    return fetch, encode, PlannedStep("answer", AnswerSpec(task="ax"), inputs, {})
