"""The main job as a user runs it: what ends up in the bucket, in Prefect's API and on standard output."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from huggingface_hub import metadata_load
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterTaskRunId
from prefect.client.schemas.objects import TaskRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import findings
from infra.stack import Stack
from tests.conftest import Corner, make_corner
from tests.told import started, witnessed

ROWS = "sample:64"
STEPS = ["fetch", "encode", "finetune", "evaluate", "register"]
HEAVY = {"torch", "transformers", "datasets", "evaluate", "sklearn", "scipy"}


@pytest.fixture(scope="module")
def user(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    return make_corner(stack, tmp_path_factory.mktemp("user") / "home")


@pytest.fixture(scope="module")
def arguments(tiny: Path) -> list[str]:
    return ["mrpc", "--data", ROWS, "--checkpoint", f"file:{tiny}", "--epochs", "1", "--seed", "7"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of the first run give their accounts."""
    return tmp_path_factory.mktemp("first") / "told"


@pytest.fixture(scope="module")
def first(user: Corner, arguments: list[str], told: Path) -> Any:
    """The first run, whose traces most tests look at."""
    return user.json("run", *arguments, **witnessed(told))


def task_runs(stack: Stack, flow_run: str) -> dict[str, TaskRun]:
    """The newest flow run of that name: its task runs by name."""
    with temporary_settings({PREFECT_API_URL: stack.api_url}), get_client(sync_client=True) as client:
        runs = client.read_flow_runs(limit=200)
        chosen = max((run for run in runs if run.name == flow_run), key=lambda run: run.start_time or run.created)
        found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[chosen.id])))
    return {run.name: run for run in found}


def logged(stack: Stack, run: TaskRun) -> list[str]:
    """The lines of the task run's log, as the UI shows them."""
    wanted = LogFilter(task_run_id=LogFilterTaskRunId(any_=[run.id]))
    with temporary_settings({PREFECT_API_URL: stack.api_url}), get_client(sync_client=True) as client:
        return [line.message for line in client.read_logs(wanted)]


def test_the_result_says_what_was_done(first: Any) -> None:
    assert first["task"] == "mrpc"
    assert first["data"] == "sample:v2:64"
    assert findings.lines(first["data_report"])[0] == "data: synthetic; scores on them say nothing of a model"
    assert first["checkpoint"].startswith("sha256:")
    assert [step["name"] for step in first["steps"]] == STEPS
    assert {step["state"] for step in first["steps"]} == {"built"}
    assert all(len(step["key"]) == 64 and step["seconds"] > 0 for step in first["steps"])
    assert set(first["metrics"]) == {"f1", "accuracy"}
    assert first["model"]["name"] == "mrpc"
    assert first["model"]["version"] == 1
    assert first["model"]["uri"].endswith("/models/mrpc/versions/1")


def test_what_steps_need_is_imported_by_one_process(first: Any, told: Path) -> None:
    assert sorted(started(told)) == ["flows.cli", "tasks.steps", "tasks.steps.warm"]


def test_the_bucket_holds_entries_and_a_plain_model_folder(user: Corner, first: Any) -> None:
    keys = user.keys()
    for step in first["steps"]:
        assert f"steps/{step['name']}/{step['key']}/manifest.json" in keys
    folder = "models/mrpc/versions/1/"
    names = {key.removeprefix(folder) for key in keys if key.startswith(folder)}
    wanted = {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "metrics.json",
        "provenance.json",
        "manifest.json",
        "README.md",
        "training.png",
        "confusion.png",
    }
    assert names == wanted
    assert not [key for key in keys if key.endswith((".bin", ".pt", ".pkl"))]
    config = json.loads(user.store.get(folder + "config.json") or b"")
    assert config["id2label"] == {"0": "not_equivalent", "1": "equivalent"}
    assert str(user.home) not in json.dumps(config)
    secret = user.environment["AWS_SECRET_ACCESS_KEY"].encode()
    assert all(secret not in (user.store.get(key) or b"") for key in keys)


def test_the_folder_describes_itself_for_the_hub(user: Corner, first: Any, tmp_path: Path) -> None:
    """All that uploading it needs; tests/test_card.py looks closer."""
    for name in ("README.md", "training.png", "confusion.png"):
        user.store.download(f"models/mrpc/versions/1/{name}", tmp_path / name)
    text = (tmp_path / "README.md").read_text()
    (index,) = metadata_load(tmp_path / "README.md")["model-index"]
    said = {one["type"]: one["value"] for result in index["results"] for one in result["metrics"]}
    assert said == first["metrics"]
    assert f"glueflow run mrpc --data {ROWS} --checkpoint file:CHECKPOINT_FOLDER --seed 7 --epochs 1" in text
    assert {(tmp_path / name).read_bytes()[:4] for name in ("training.png", "confusion.png")} == {b"\x89PNG"}


def test_predictions_are_in_row_order_and_give_the_metrics(user: Corner, first: Any, tmp_path: Path) -> None:
    step = next(step for step in first["steps"] if step["name"] == "evaluate")
    key = next(key for key in user.keys(f"steps/evaluate/{step['key']}/") if key.endswith("validation.parquet"))
    user.store.download(key, tmp_path / "validation.parquet")
    table = pq.read_table(tmp_path / "validation.parquet")
    assert table.column_names == ["idx", "label", "prediction", "logits"]
    assert table["idx"].to_pylist() == list(range(table.num_rows))
    rows = table.to_pylist()
    assert all(row["prediction"] == max((0, 1), key=lambda index: row["logits"][index]) for row in rows)
    accuracy = sum(row["prediction"] == row["label"] for row in rows) / len(rows)
    assert accuracy == pytest.approx(first["metrics"]["accuracy"])


def test_a_second_run_reuses_every_step_and_imports_nothing_heavy(
    user: Corner, first: Any, arguments: list[str], stack: Stack, tmp_path: Path
) -> None:
    before = user.made()
    command = [sys.executable, "-X", "importtime", "-m", "flows.cli", "run", *arguments, "--json"]
    environment = {**user.whole_environment(), **witnessed(tmp_path / "told")}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert started(tmp_path / "told") == ["flows.cli"]
    second = json.loads(found.stdout)
    assert {step["state"] for step in second["steps"]} == {"reused"}
    assert second["metrics"] == first["metrics"]
    assert second["model"] == first["model"]
    assert user.made() == before
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in found.stderr.splitlines()}
    assert "boto3" in imported
    assert not (HEAVY | {"prefect"}) & imported
    shown = task_runs(stack, "glue-mrpc-seed7")
    assert {run.state_name for run in shown.values()} == {"Cached"}
    assert set(shown) == {"fetch", "tokenize", "fine-tune", "evaluate", "register"}


def test_another_machine_reuses_what_the_first_built(
    user: Corner, first: Any, arguments: list[str], tmp_path: Path
) -> None:
    other = user.another_machine(tmp_path / "empty").json("run", *arguments)
    assert {step["state"] for step in other["steps"]} == {"reused"}


def test_a_new_learning_rate_reuses_fetch_and_encode_and_says_why_it_trains(
    user: Corner, first: Any, arguments: list[str], stack: Stack
) -> None:
    planned = user.json("plan", *arguments, "--learning-rate", "1e-3")
    found = user.json("run", *arguments, "--learning-rate", "1e-3")
    states = [step["state"] for step in found["steps"]]
    assert states == ["reused", "reused", "built", "built", "built"]
    assert [step["state"] for step in planned["steps"]] == ["reuse", "reuse", "build", "build", "build"]
    assert [step["key"] for step in planned["steps"]] == [step["key"] for step in found["steps"]]
    assert found["model"]["version"] > first["model"]["version"]
    why = "never built with learning_rate 0.001 (there is 5e-05)"
    assert planned["steps"][2]["reason"] == why
    training = task_runs(stack, "glue-mrpc-seed7")["fine-tune"]
    assert training.state
    assert str(training.state.message).endswith(why)
    assert [line for line in logged(stack, training) if line.endswith(f"is built: {why}")]


def test_force_builds_a_step_anew_and_equal_bytes_change_nothing_else(
    user: Corner, first: Any, arguments: list[str]
) -> None:
    found = user.json("run", *arguments, "--force", "finetune")
    states = {step["name"]: step["state"] for step in found["steps"]}
    assert states.pop("finetune") == "built"
    assert set(states.values()) == {"reused"}  # training on one kind of CPU is bit-exact
    assert found["model"] == first["model"]


def test_prefect_keeps_no_result_that_could_be_believed(
    user: Corner, first: Any, arguments: list[str], tmp_path: Path
) -> None:
    """Not even where its own settings ask for it: no record, no pickle, nothing to poison."""
    storage = tmp_path / "storage"
    asked = {"PREFECT_LOCAL_STORAGE_PATH": str(storage), "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true"}
    found = user.json("run", *arguments, "--force", "register", **asked)
    assert [step["state"] for step in found["steps"]] == ["reused"] * 4 + ["built"]
    assert not storage.exists() or not list(storage.iterdir())


def test_a_version_that_lost_a_file_is_registered_again_and_alone(
    user: Corner, first: Any, arguments: list[str]
) -> None:
    user.store.delete("models/mrpc/versions/1/model.safetensors")
    found = user.json("run", *arguments)
    assert [step["state"] for step in found["steps"]] == ["reused"] * 4 + ["built"]
    assert found["model"] == first["model"]
    assert "models/mrpc/versions/1/model.safetensors" in user.store.sizes("models/")


def test_damage_found_on_reading_is_mended_within_the_run(
    user: Corner, first: Any, arguments: list[str], tmp_path: Path
) -> None:
    """Right size, wrong bytes, on a machine without a copy: the training alone is done again, and then its readers."""
    entry = {step["name"]: f"steps/{step['name']}/{step['key']}/" for step in first["steps"]}
    weights = next(key for key in user.keys(entry["finetune"]) if key.endswith("model.safetensors"))
    body = bytearray(user.store.get(weights) or b"")
    body[-1] ^= 1
    user.store.put(weights, bytes(body))
    user.store.delete(entry["evaluate"] + "manifest.json")
    found = user.another_machine(tmp_path / "empty").json("run", *arguments)
    states = {step["name"]: step["state"] for step in found["steps"]}
    assert {name for name, state in states.items() if state == "built"} == {"finetune", "evaluate"}
    assert found["metrics"] == first["metrics"]
    assert found["model"] == first["model"]
    assert any(key.startswith(f"quarantine/{entry['finetune']}") for key in user.keys("quarantine/"))
    body[-1] ^= 1
    assert user.store.get(weights) == bytes(body)


def test_the_registered_model_predicts_and_can_be_pulled(user: Corner, first: Any, tmp_path: Path) -> None:
    found = user.json("predict", "mrpc@1", "He said it .", "She said it .")
    assert found["model"] == "mrpc@1"
    assert found["label"] in ("equivalent", "not_equivalent")
    assert 0.5 <= found["score"] <= 1
    pulled = tmp_path / "pulled"
    user.glueflow("models", "pull", "mrpc@1", str(pulled))
    from transformers import pipeline

    again = pipeline("text-classification", model=str(pulled))({"text": "He said it .", "text_pair": "She said it ."})
    assert again == {"label": found["label"], "score": pytest.approx(found["score"], abs=1e-6)}
    listed = user.json("models", "list")
    assert {"name": "mrpc", "version": 1} in [{key: row[key] for key in ("name", "version")} for row in listed]
    shown = user.json("models", "show", "mrpc@1")
    assert shown["record"]["data"] == "sample:v2:64"
    assert shown["record"]["metrics"] == first["metrics"]
    assert shown["record"]["training"]["seed"] == 7
