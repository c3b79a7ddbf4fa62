"""Trackers: what a training tells them is what it logs, they change no bit of it, and none is needed.

TensorBoard and MLflow are the real ones, written by the training's own process; of trackio and wandb, which are not
installed for the tests, what Trainer is handed.
"""

import sqlite3
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tasks.core import trackers
from tasks.core.catalog import glue_task
from tasks.core.files import content_digest, entries
from tasks.core.plan import PlannedStep, plan
from tasks.core.process import Request, run_step
from tasks.core.progress import Saved, listening
from tasks.core.settings import Settings
from tasks.core.specs import FinetuneSpec, GlueRun, Training
from tasks.steps import encode, fetch, finetune
from tests.conftest import Corner

NAMES = ("tensorboard", "mlflow", "trackio", "wandb")
Trained = tuple[str, dict[str, Any]]  # digest of what was written, facts but those that may differ


@pytest.fixture(scope="module")
def encoded(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[PlannedStep, Path]:
    """A training, and the folder of its encoded data."""
    folder = tmp_path_factory.mktemp("encoded")
    training = Training(epochs=2, batch_size=8, learning_rate=1e-3, precision="float32")
    asked = plan(GlueRun(data="sample:48", checkpoint=f"file:{tiny}", seed=1, training=training))
    for step, run in zip(asked.steps, (fetch.run, encode.run), strict=False):
        (folder / step.step).mkdir()
        inputs = {name: str(folder / name) for name in step.inputs}
        run(step.spec, Request(step.step, {}, inputs, step.sources, str(folder / step.step), str(folder), "cpu", 64))
    return asked.steps[2], folder / "encode"


def child(home: Path, encoded: tuple[PlannedStep, Path], names: str) -> Trained:
    """The training in a process of its own, as a run has it."""
    step, folder = encoded
    out = home / "out"
    out.mkdir(parents=True)
    known = Settings(home=home, trackers=names, device="cpu", threads=1)
    return trained(run_step(known, step, out, lambda: {"encode": folder}), out)


def trained(facts: dict[str, Any], out: Path) -> Trained:
    for name in ("samples_per_second", "peak_memory", "resumed_from"):
        facts.pop(name, None)
    return content_digest(entries(out)), facts


@pytest.fixture(scope="module")
def told(
    encoded: tuple[PlannedStep, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Trained, Trained]]:
    """The trackers' folder, the training with TensorBoard and MLflow, and without."""
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    home = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TENSORBOARD_LOGGING_DIR", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        with_them = child(home / "with", encoded, "tensorboard,mlflow")
        yield home / "with" / "trackers", with_them, child(home / "without", encoded, "")


def test_not_a_bit_of_a_training_depends_on_its_trackers(told: tuple[Path, Trained, Trained]) -> None:
    folder, with_them, without = told
    assert with_them == without
    assert not (folder.parents[1] / "without" / "trackers").exists()


def test_tensorboard_holds_every_figure(told: tuple[Path, Trained, Trained], encoded: tuple[PlannedStep, Path]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, (_, facts), _ = told
    events = EventAccumulator(str(folder / "tensorboard" / f"mrpc-{encoded[0].key[:12]}"))
    events.Reload()
    for logged, tag in (("loss", "train/loss"), ("eval_f1", "eval/f1")):
        expected = {entry["step"]: entry[logged] for entry in facts["history"] if logged in entry}
        found = {event.step: event.value for event in events.Scalars(tag)}
        assert found == pytest.approx(expected, rel=1e-6)
        assert found


def test_mlflow_holds_every_figure_and_no_secret(
    told: tuple[Path, Trained, Trained], encoded: tuple[PlannedStep, Path]
) -> None:
    folder, (_, facts), _ = told
    with sqlite3.connect(folder / "mlflow" / "mlflow.db") as database:
        (run,) = database.execute("select name from runs").fetchall()
        found = database.execute("select step, value from metrics where key = 'eval_f1' order by step").fetchall()
        learning_rate = database.execute("select value from params where key = 'learning_rate'").fetchone()
        names = dict(database.execute("select key, value from params where key like '%token%'").fetchall())
    assert run == (f"mrpc-{encoded[0].key[:12]}",)
    assert dict(found) == {entry["step"]: entry["eval_f1"] for entry in facts["history"] if "eval_f1" in entry}
    assert learning_rate == ("0.001",)
    assert names.get("hub_token", "<HUB_TOKEN>") == "<HUB_TOKEN>"  # Trainer's mask, whether or not there is one


def test_a_training_continued_with_a_tracker_ends_with_the_same_bytes(
    encoded: tuple[PlannedStep, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    step, folder = encoded
    for variable, place in trackers.environment(("tensorboard",), tmp_path, "mrpc").items():
        monkeypatch.setenv(variable, place)
    saved: list[Saved] = []

    def train(name: str, resume: str = "", report_to: tuple[str, ...] = ()) -> Trained:
        out = tmp_path / name
        out.mkdir()
        request = Request(
            "finetune",
            {},
            {"encode": str(folder)},
            step.sources,
            str(out),
            "",
            "cpu",
            64,
            0.001,
            1e9,
            resume,
            report_to,
        )
        with listening(lambda _: None, saved.append):
            assert isinstance(step.spec, FinetuneSpec)
            return trained(finetune.run(step.spec, request), out)

    undisturbed = train("undisturbed")
    assert saved
    assert train("continued", saved[0].folder, ("tensorboard",)) == undisturbed
    assert list((tmp_path / "tensorboard" / "mrpc").glob("events.*"))


@pytest.mark.parametrize("name", NAMES)
def test_trainer_is_handed_each_by_name(encoded: tuple[PlannedStep, Path], tmp_path: Path, name: str) -> None:
    request = Request("finetune", {}, {}, {}, "", "", "cpu", 64, report_to=(name,), run_name="mrpc-0b7e")
    assert isinstance(encoded[0].spec, FinetuneSpec)
    arguments = finetune.training_arguments(encoded[0].spec, request, glue_task("mrpc"))
    assert (arguments.report_to, arguments.run_name, arguments.project) == ([name], "mrpc-0b7e", "glueflow")
    places = trackers.environment((name,), tmp_path / "trackers", "mrpc-0b7e")
    assert any(str(tmp_path / "trackers" / name) in place for place in places.values())


def test_what_the_environment_says_of_a_tracker_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert trackers.environment(("wandb",), tmp_path, "run")["WANDB_MODE"] == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    found = trackers.environment(("wandb", "mlflow"), tmp_path, "run")
    assert "WANDB_MODE" not in found
    assert "secret" not in found.values()
    assert found["MLFLOW_TRACKING_URI"] == "https://mlflow.example.org"


def test_a_tracker_that_is_not_there_is_refused_before_anything_is_written(corner: Corner) -> None:
    absent = next((name for name in reversed(NAMES) if find_spec(name) is None), None)
    if absent is None:
        pytest.skip("all four trackers are installed")
    said = corner.glueflow("run", "mrpc", "--data", "sample:16", status=2, GLUEFLOW_TRACKERS=absent).stderr
    assert said == (
        f"error: GLUEFLOW_TRACKERS: '{absent}' is not allowed; it is not installed; pip install 'glueflow[{absent}]'\n"
    )
    assert corner.keys() == set()


def test_an_unknown_tracker_is_refused(corner: Corner) -> None:
    said = corner.glueflow("plan", "mrpc", status=2, GLUEFLOW_TRACKERS="tensorboard,neptune").stderr
    assert said.startswith("error: GLUEFLOW_TRACKERS: 'tensorboard,neptune' is not allowed")
    assert "any of tensorboard, mlflow, trackio, wandb" in said


def test_no_tracker_reaches_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [step.key for step in plan(GlueRun(data="sample:8")).steps]
    monkeypatch.setenv("GLUEFLOW_TRACKERS", "tensorboard")
    assert [step.key for step in plan(GlueRun(data="sample:8")).steps] == before
