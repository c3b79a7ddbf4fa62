"""Starting from the MNLI model: a real edge of the plan, and an error where it is missing; fewer training rows."""

import shlex
from datetime import date
from pathlib import Path

import pytest

from flows import cli
from tasks.core.command import command
from tasks.core.plan import plan
from tasks.core.specs import GlueRun, RunOptions, Training
from tests.conftest import Corner

MNLI_FIRST = "glueflow run mnli --data sample:32 --checkpoint"


@pytest.fixture(scope="module")
def options(tiny: Path) -> list[str]:
    return ["--data", "sample:32", "--checkpoint", f"file:{tiny}", "--epochs", "1", "--seed", "3"]


def test_the_training_of_mnli_is_an_input_of_the_training_that_starts_from_it() -> None:
    request = GlueRun(task="rte", data="sample:32", seed=3, transfer=True, name="mine", force=("finetune",))
    mnli = plan(GlueRun(task="mnli", data="sample:32", seed=3)).step("finetune")
    here, without = plan(request), plan(request.model_copy(update={"transfer": False}))
    assert here.step("finetune").inputs == {"encode": here.step("encode").key, "transfer": mnli.key}
    assert here.step("encode").key == without.step("encode").key
    assert here.step("finetune").key != without.step("finetune").key


def test_a_missing_mnli_model_is_an_error_that_says_how_to_get_it(
    corner: Corner, options: list[str], tiny: Path
) -> None:
    found = corner.glueflow("run", "rte", "--transfer", *options, status=1)
    assert len(found.stderr.strip().splitlines()) == 1
    assert "transfer: rte starts from the MNLI model of seed 3" in found.stderr
    assert f"{MNLI_FIRST} file:{tiny} --seed 3 --epochs 1" in found.stderr
    assert not corner.keys("steps/") | corner.keys("models/")
    planned = corner.json("plan", "rte", "--transfer", *options)
    reasons = {step["name"]: step["reason"] for step in planned["steps"]}
    assert "MNLI model of seed 3" in reasons["finetune"]


def test_only_three_tasks_can_start_from_mnli(corner: Corner) -> None:
    found = corner.glueflow("run", "cola", "--transfer", "--data", "sample:8", status=2)
    assert "transfer is for mrpc, stsb, rte" in found.stderr
    assert not corner.keys()


def test_fewer_training_rows_are_part_of_the_identity() -> None:
    few, all_rows = (plan(GlueRun(data="sample:8", training=Training(max_train_rows=rows))) for rows in (5, 0))
    assert [one.key == other.key for one, other in zip(few.steps, all_rows.steps, strict=True)] == [True] * 2 + [
        False
    ] * 3


@pytest.mark.parametrize(
    "request_",
    [
        GlueRun(),
        GlueRun(task="rte", seed=7, transfer=True, data="file:/a folder", training=Training(learning_rate=3e-5)),
        GlueRun(task="cola", as_of=date(2026, 1, 31), name="mine", force=("fetch", "evaluate")),
        GlueRun(task="stsb", training=Training(strategy="frozen", max_train_rows=100, precision="float32")),
    ],
)
def test_the_command_of_a_request_asks_for_that_request(request_: GlueRun) -> None:
    _, bound, _ = cli.app.parse_args(shlex.split(command("run", request_))[1:], exit_on_error=False)
    asked = bound.arguments
    options = asked.get("options", RunOptions())
    assert GlueRun(task=asked["task"], training=asked.get("training", Training()), **options.model_dump()) == request_
