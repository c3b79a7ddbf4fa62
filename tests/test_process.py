"""A step's process: killed, told to end or crashed, it leaves nothing half-done; a training goes on where it was."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from infra.stack import Stack
from tasks.core.errors import StepFailed
from tasks.core.manifest import Manifest
from tasks.core.plan import PlannedStep, plan
from tasks.core.process import run_step
from tasks.core.specs import GlueRun
from tests.conftest import Corner, make_corner
from tests.test_run import task_runs

Found = TypeVar("Found")
OFTEN = {"GLUEFLOW_SAVE_EVERY": "0.01", "GLUEFLOW_SAVE_SHARE": "1", "GLUEFLOW_LEASE": "2"}
SEED = "31"


def start(corner: Corner, tiny: Path) -> subprocess.Popen[str]:
    """A run whose training is long enough to be met in the middle."""
    command = [sys.executable, "-m", "flows.cli", "run", "mrpc", "--data", "sample:400", "--checkpoint", f"file:{tiny}"]
    return subprocess.Popen(
        [*command, "--epochs", "12", "--seed", SEED, "--json"],
        env={**os.environ, **corner.environment, **OFTEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(found: Callable[[], Found | None], seconds: float = 120) -> Found:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (what := found()) is not None:
            return what
        time.sleep(0.05)
    raise AssertionError("what was waited for never came")


def _called(process: psutil.Process) -> list[str]:
    """Its name and command: what was forked is named by its step, what was started has it in its command."""
    try:
        return [process.name(), *process.cmdline()]
    except psutil.Error:  # it has just ended
        return []


def training(run: subprocess.Popen[str]) -> psutil.Process:
    """The run's fine-tuning process."""

    def found() -> psutil.Process | None:
        assert run.poll() is None, run.communicate()
        family = psutil.Process(run.pid).children(recursive=True)
        return next((child for child in family if "finetune" in _called(child)), None)

    return until(found)


def saved(corner: Corner) -> list[int]:
    """Steps whose states are in the store, whole."""
    names = (key.rpartition("/")[2] for key in corner.keys("checkpoints/") if key.count("/") == 2)
    return sorted(int(name.partition(".")[0]) for name in names)


def trained(corner: Corner) -> Manifest:
    """The one training that is in the store."""
    (key,) = [key for key in corner.keys("steps/finetune/") if key.endswith("manifest.json")]
    return Manifest.model_validate_json(corner.store.get(key) or b"")


@pytest.fixture(scope="module")
def calm(stack: Stack, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    """Where a run was that nobody disturbed."""
    corner = make_corner(stack, tmp_path_factory.mktemp("calm") / "home")
    run = start(corner, tiny)
    _, errors = run.communicate()
    assert run.returncode == 0, errors
    assert saved(corner) == []
    return corner


@pytest.fixture(scope="module")
def undisturbed(calm: Corner) -> Manifest:
    return trained(calm)


@pytest.fixture
def corner(calm: Corner, stack: Stack, tmp_path: Path) -> Corner:
    """A corner of one's own in which the data is fetched and tokenized already."""
    corner = make_corner(stack, tmp_path / "home")
    for key in calm.keys("steps/fetch/") | calm.keys("steps/encode/"):
        corner.store.put(key, calm.store.get(key) or b"")
    return corner


def same(one: Manifest, other: Manifest) -> bool:
    return one.digest == other.digest and all(one.facts[name] == other.facts[name] for name in ("best", "history"))


def test_a_training_that_is_killed_goes_on_from_what_was_saved(
    corner: Corner, tiny: Path, stack: Stack, undisturbed: Manifest
) -> None:
    """The next try comes by itself, within the same run."""
    run = start(corner, tiny)
    until(lambda: saved(corner) or None)
    training(run).kill()
    _, errors = run.communicate()
    assert run.returncode == 0, errors
    shown = task_runs(stack, f"glue-mrpc-seed{SEED}")
    assert {name: task.run_count for name, task in shown.items() if task.run_count > 1} == {"fine-tune": 2}
    assert trained(corner).facts["resumed_from"] > 0
    assert same(trained(corner), undisturbed)
    assert saved(corner) == []


def test_a_run_that_is_told_to_end_saves_and_another_machine_goes_on(
    corner: Corner, tiny: Path, stack: Stack, undisturbed: Manifest, tmp_path: Path
) -> None:
    """SIGTERM: saved, uploaded, Preempted. What it saved last is then damaged, so the state before it serves."""
    run = start(corner, tiny)
    before = until(lambda: saved(corner) or None)
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 75, errors
    assert "goes on from there" in errors
    steps = saved(corner)
    assert steps[-1] > before[-1]
    assert corner.keys("leases/") == set()
    assert state_of(stack, f"glue-mrpc-seed{SEED}") == "Preempted"
    corner.store.put(next(key for key in corner.keys("checkpoints/") if key.endswith(f"{steps[-1]:08d}.json")), b"{}")

    elsewhere = corner.another_machine(tmp_path / "elsewhere")
    again = start(elsewhere, tiny)
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert trained(corner).facts["resumed_from"] == steps[-2]
    assert same(trained(corner), undisturbed)


def state_of(stack: Stack, flow_run: str) -> str | None:
    with temporary_settings({PREFECT_API_URL: stack.api_url}), get_client(sync_client=True) as client:
        runs = [run for run in client.read_flow_runs(limit=200) if run.name == flow_run]
    return max(runs, key=lambda run: run.start_time or run.created).state_name


def test_a_run_that_is_killed_takes_its_training_along_and_a_new_run_goes_on(
    corner: Corner, tiny: Path, undisturbed: Manifest
) -> None:
    run = start(corner, tiny)
    training(run)
    until(lambda: saved(corner) or None)
    family = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.communicate()
    assert psutil.wait_procs(family, timeout=30)[1] == []
    steps = saved(corner)
    assert corner.keys("steps/finetune/") == corner.keys("models/") == set()
    again = start(corner, tiny)
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert trained(corner).facts["resumed_from"] == steps[-1]
    assert same(trained(corner), undisturbed)


def test_a_process_that_ends_without_a_result_is_named(corner: Corner, tmp_path: Path) -> None:
    asked = plan(GlueRun(data="sample:8"))
    step = asked.steps[1]
    corner.settings.scratch.mkdir(parents=True)
    with pytest.raises(StepFailed) as caught:
        run_step(corner.settings, PlannedStep("encode", step.spec, {}, step.sources), tmp_path, dict)
    assert str(caught.value) == "encode: its process ended with status 1: KeyError: 'fetch'"
    assert "Traceback" in caught.value.__notes__[0]
    assert list(corner.settings.scratch.iterdir()) == []
