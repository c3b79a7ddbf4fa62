"""The suite: killed and gone on with, transfer from MNLI, nothing built twice, and runs that fail alone."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.numpy import load_file

from infra.stack import Stack
from tasks.core.specs import GlueRun, Training
from tasks.core.suite import Suite, cells, title
from tests.conftest import ROOT, Corner, make_corner
from tests.finished import prepared, small
from tests.test_leaderboard import LAYOUT, read
from tests.test_run import task_runs
from tests.typed import Here, refused

WAIT = 400.0  # seconds, on a busy machine
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def user(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    return make_corner(stack, tmp_path_factory.mktemp("suite") / "home", Here)


@pytest.fixture(scope="module")
def still(tiny: Path) -> list[str]:
    """A learning rate of next to nothing: training leaves the weights where they began."""
    options = ["--data", "sample:32", "--checkpoint", f"file:{tiny}", "--epochs", "1", "--learning-rate", "1e-12"]
    return ["--tasks", "rte", "mnli", "--seeds", "3", "--transfer", "--max-train-rows", "20", *options]


@pytest.fixture(scope="module")
def mnli(tiny: Path) -> GlueRun:
    """The suite's run that the other starts from."""
    training = Training(epochs=1, learning_rate=1e-12, max_train_rows=20)
    return small(tiny, task="mnli", seed=3, training=training)


@pytest.fixture(scope="module")
def resumed(user: Corner, still: list[str], mnli: GlueRun) -> Any:
    """The suite's result after its first process was killed when MNLI was done and RTE was not."""
    prepared(user, mnli)
    suite = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "benchmark", *still],
        cwd=ROOT,
        env=user.whole_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: "models/mnli/versions/1/manifest.json" in user.keys("models/"))
        children = psutil.Process(suite.pid).children(recursive=True)
    finally:
        suite.kill()
        suite.wait()
    wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
    assert not user.keys("models/rte/")
    return user.json("benchmark", *still)


def wait_until(done: Any) -> None:
    deadline = time.monotonic() + WAIT
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def by_task(result: Any) -> dict[str, Any]:
    return {row["task"]: row for row in result["runs"]}


def test_a_killed_suite_goes_on_with_what_is_missing(resumed: Any, user: Corner) -> None:
    runs = by_task(resumed)
    assert runs["mnli"]["state"] == "reused"
    assert runs["rte"]["state"] == "built"
    assert resumed["failed"] == []
    assert {key for key in user.keys("models/") if key.endswith("/manifest.json")} == {
        f"models/{task}/versions/1/manifest.json" for task in runs
    }


def test_rte_starts_from_the_weights_of_the_mnli_model_under_a_fresh_head(
    resumed: Any, user: Corner, tmp_path: Path
) -> None:
    runs = by_task(resumed)
    for name in runs:
        user.glueflow("models", "pull", f"{name}@1", str(tmp_path / name))
    mnli, rte = (load_file(tmp_path / name / "model.safetensors") for name in ("mnli", "rte"))
    assert rte["classifier.weight"].shape[0] == 2
    inner = [name for name in mnli if name.startswith("bert.encoder")]
    assert inner
    assert all(abs(mnli[name] - rte[name]).max() < 1e-6 for name in inner)
    trained = {step["name"]: step["key"] for step in runs["mnli"]["steps"]}
    assert runs["rte"]["transfer"] == trained["finetune"]
    assert runs["rte"]["rows"] == {"used": 20, "of": 32}


def test_the_figures_of_a_suite(resumed: Any) -> None:
    rows = {(row["task"], row["metric"]): row for row in resumed["tasks"]}
    assert set(rows) == {("mnli", "accuracy"), ("mnli", "accuracy_mismatched"), ("rte", "accuracy")}
    rte = rows["rte", "accuracy"]
    assert rte["mean"] == by_task(resumed)["rte"]["metrics"]["accuracy"]
    assert (rte["seeds"], rte["sd"], rte["interval"], rte["examples"]) == (1, None, None, 16)
    mnli = (rows["mnli", "accuracy"]["mean"] + rows["mnli", "accuracy_mismatched"]["mean"]) / 2
    assert resumed["score"]["points"] == pytest.approx(100 * (mnli + rte["mean"]) / 2)
    assert resumed["score"]["partial"]
    assert resumed["published"] == []  # the data are made up


def test_a_second_call_builds_nothing(resumed: Any, user: Corner, still: list[str], stack: Stack) -> None:
    before = user.made()
    again = user.json("benchmark", *still)
    assert {row["state"] for row in again["runs"]} == {"reused"}
    assert again["tasks"] == resumed["tasks"]
    assert user.made() == before
    shown = task_runs(stack, "benchmark")
    assert {name: run.state_name for name, run in shown.items()} == {"mnli seed 3": "Cached", "rte seed 3": "Cached"}


def test_a_submission_is_answered_by_the_models_of_the_suite(
    resumed: Any, user: Corner, still: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.zip"
    made = user.json("benchmark", *still, "--submission", str(out))
    assert {row["state"] for row in made["runs"]} == {"reused"}
    found = read(out)
    assert set(found) == set(LAYOUT)
    sheets = {sheet["file"]: sheet for sheet in json.loads(out.with_suffix(".json").read_text())["files"]}
    models = {file: sheet["model"] for file, sheet in sheets.items() if not sheet["placeholder"]}
    assert models == {"MNLI-m.tsv": "mnli@1", "MNLI-mm.tsv": "mnli@1", "AX.tsv": "mnli@1", "RTE.tsv": "rte@1"}
    assert sheets["AX.tsv"]["content"] == user.json("models", "show", "mnli@1")["content"]
    assert {line[1] for line in found["AX.tsv"][1:]} <= {"entailment", "neutral", "contradiction"}
    for file, model in models.items():
        assert len(found[file]) - 1 == sheets[file]["rows"] == 16, model  # of the sample
        assert "not the official test split" in sheets[file]["note"]
    before, zipped = user.made(), out.read_bytes()
    user.json("benchmark", *still, "--submission", str(out))
    assert (user.made(), out.read_bytes()) == (before, zipped)


def test_a_suite_against_a_checkpoint_compares_the_same_examples(
    resumed: Any, user: Corner, still: list[str], tiny: Path
) -> None:
    """Against itself: nothing is built, and nothing differs."""
    before = user.made()
    found = user.json("benchmark", *still, "--against", f"file:{tiny}")
    compared = {row["task"]: row for row in found["comparison"]}
    assert set(compared) == {"mnli", "rte"}
    assert {(row["difference"], row["p"], row["p_holm"], row["examples"]) for row in compared.values()} == {
        (0.0, 1.0, 1.0, 16)
    }
    assert user.made() == before


def test_one_run_that_fails_costs_only_those_that_start_from_it(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    """No MNLI in the folder, a label that WNLI does not know; CoLA is sound."""
    glue = tmp_path / "glue"
    pair = "index\tsentence1\tsentence2\tlabel\n" + "0\tHe ate .\tHe had a meal .\t{}\n" * 4
    for name, label in (("RTE", "entailment"), ("WNLI", "7")):
        (glue / name).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            (glue / name / f"{split}.tsv").write_text(pair.replace("{}", label))
    (glue / "CoLA").mkdir()
    for split in ("train", "dev"):
        (glue / "CoLA" / f"{split}.tsv").write_text("a\t1\t\tHe ate .\na\t0\t*\tAte he .\n" * 8)
    (glue / "CoLA" / "test.tsv").write_text("index\tsentence\n0\tHe ate .\n")
    prepared(corner, small(tiny, task="cola", seed=1, data=f"file:{glue}"))
    options = ["--data", f"file:{glue}", "--checkpoint", f"file:{tiny}", "--epochs", "1", "--transfer"]
    found = corner.glueflow(
        "benchmark", "--tasks", "rte", "wnli", "mnli", "cola", "--seeds", "1", *options, "--json", status=1
    )
    runs = by_task(json.loads(found.stdout))
    assert {task: row["state"] for task, row in runs.items()} == {
        "mnli": "failed",
        "cola": "built",
        "wnli": "failed",
        "rte": "not run",
    }
    assert "train.tsv" in runs["mnli"]["message"]
    assert "label" in runs["wnli"]["message"]
    assert runs["wnli"]["kind"] == "BadData"
    assert runs["rte"]["message"] == "it starts from the MNLI model of seed 1, whose run failed"
    assert runs["wnli"]["resume"].startswith(f"glueflow run wnli --data file:{glue} --checkpoint")
    assert not corner.keys("models/rte/")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--tasks", "rte", "rte"], ["tasks", "twice"]),
        (["--tasks", "ax"], ["ax", "mnli"]),
        (["--seeds", "-1"], ["seeds", "-1"]),
        (["--max-parallel", "0"], ["--max-parallel"]),
        (["--data", "ftp://x"], ["data", "ftp://x", "sample:"]),
    ],
)
def test_a_suite_that_cannot_be_carried_out_is_refused(inside: Corner, arguments: list[str], names: list[str]) -> None:
    line = refused("benchmark", *arguments)
    assert all(name in line for name in names)
    assert not inside.keys()


def test_mnli_comes_first_and_only_three_tasks_start_from_it() -> None:
    suite = Suite(tasks=("rte", "cola", "mnli"), seeds=(1, 2), transfer=True)
    found = cells(suite)
    assert [title(cell) for cell in found] == [
        f"{task} seed {seed}" for task in ("mnli", "cola", "rte") for seed in (1, 2)
    ]
    assert [cell.transfer for cell in found] == [False] * 4 + [True] * 2
