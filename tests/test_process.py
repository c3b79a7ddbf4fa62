"""A step's process: killed, crashed or left alone, it never leaves anything half-done or running behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from infra.stack import Stack
from tasks.core.errors import StepFailed
from tasks.core.plan import PlannedStep, plan
from tasks.core.process import run_step
from tasks.core.specs import GlueRun
from tests.conftest import Corner
from tests.test_run import task_runs


def start(corner: Corner, tiny: Path, seed: str) -> subprocess.Popen[str]:
    """A run whose training is long enough to be met in the middle."""
    command = [sys.executable, "-m", "flows.cli", "run", "mrpc", "--data", "sample:96", "--checkpoint", f"file:{tiny}"]
    return subprocess.Popen(
        [*command, "--epochs", "8", "--seed", seed, "--json"],
        env={**os.environ, **corner.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(found: Callable[[], psutil.Process | None], seconds: float = 120) -> psutil.Process:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process := found():
            return process
        time.sleep(0.05)
    raise AssertionError("the process that was waited for never came")


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []


def training(run: subprocess.Popen[str]) -> psutil.Process:
    """The run's fine-tuning process."""

    def found() -> psutil.Process | None:
        assert run.poll() is None, run.communicate()
        children = psutil.Process(run.pid).children()
        return next((child for child in children if "finetune" in _command(child)), None)

    return until(found)


def test_a_training_that_is_killed_is_tried_again(corner: Corner, tiny: Path, stack: Stack) -> None:
    run = start(corner, tiny, "31")
    training(run).kill()
    _, errors = run.communicate()
    assert run.returncode == 0, errors
    shown = task_runs(stack, "glue-mrpc-seed31")
    assert {name: task.run_count for name, task in shown.items() if task.run_count > 1} == {"fine-tune": 2}


def test_a_run_that_is_killed_takes_its_training_along(corner: Corner, tiny: Path) -> None:
    run = start(corner, tiny, "32")
    child = training(run)
    before = corner.keys("steps/finetune/")
    run.kill()
    run.communicate()
    child.wait(timeout=30)
    assert corner.keys("steps/finetune/") == before == set()
    assert corner.keys("models/") == set()


def test_a_process_that_ends_without_a_result_is_named(corner: Corner, tmp_path: Path) -> None:
    asked = plan(GlueRun(data="sample:8"))
    step = asked.steps[1]
    broken = PlannedStep(step.step, step.spec, step.inputs, {"checkpoint": "file:/nowhere", "data": ""})
    corner.settings.scratch.mkdir(parents=True)
    with pytest.raises(StepFailed) as caught:
        run_step(corner.settings, PlannedStep("encode", step.spec, {}, step.sources), tmp_path, dict)
    assert str(caught.value) == "encode: its process ended with status 1: KeyError: 'fetch'"
    assert "Traceback" in caught.value.__notes__[0]
    with pytest.raises(Exception, match="nowhere"):
        run_step(corner.settings, broken, tmp_path, dict)
    assert list(corner.settings.scratch.iterdir()) == []
