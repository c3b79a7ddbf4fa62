"""Outages of the real servers: killed in the middle of a run and started again, away at its start, shut to a user."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import Any

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.settings import PREFECT_API_URL, temporary_settings

from infra.stack import Stack, up
from tasks.core.artifact import MANIFEST, Folders, find, get_or_build
from tasks.core.errors import GlueflowError
from tasks.core.store import object_key
from tests.conftest import Corner, make_corner
from tests.test_artifact import FETCH
from tests.test_process import training
from tests.test_run import task_runs

BIG = 48 << 20  # bytes
Tries = dict[str, tuple[str, int]]
COMPLETED: Tries = dict.fromkeys(("fetch", "tokenize", "fine-tune", "evaluate", "register"), ("Completed", 1))


@pytest.fixture
def user(own: Stack, tmp_path: Path) -> Corner:
    corner = make_corner(own, tmp_path / "home")
    return Corner(corner.home, {**corner.environment, "GLUEFLOW_LEASE": "3"}, corner.prefix)


def kill(stack: Stack, name: str) -> None:
    """SIGKILL to one server and all its processes."""
    server = psutil.Process(stack.processes[name].pid)
    family = [server, *server.children(recursive=True)]
    for process in family:
        process.kill()
    psutil.wait_procs(family)


def revoke(home: Path, stack: Stack) -> Stack:
    """The same store with the same data under another secret."""
    kill(stack, "store")
    file = home / "stack" / "stack.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"secret_key": token_hex(20)}))
    return up(home)


def arguments(tiny: Path, seed: int) -> list[str]:
    return ["mrpc", "--data", "sample:64", "--checkpoint", f"file:{tiny}", "--epochs", "1", "--seed", str(seed)]


def start(user: Corner, tiny: Path, seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", *arguments(tiny, seed), "--json"],
        env={**os.environ, **user.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_trained(user: Corner, run: subprocess.Popen[str]) -> None:
    """Return once the training is committed."""
    while not any(key.endswith(MANIFEST) for key in user.keys("steps/finetune/")):
        assert run.poll() is None, run.communicate()
        time.sleep(0.1)


def tries(stack: Stack, seed: int, wanted: Tries) -> Tries:
    """State and number of tries of each task of the run, once Prefect's server has written down what is wanted."""
    deadline = time.monotonic() + 30
    while True:
        runs = task_runs(stack, f"glue-mrpc-seed{seed}")
        found = {name: (run.state_name, run.run_count) for name, run in runs.items()}
        if found == wanted or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def flow_state(stack: Stack, seed: int) -> str | None:
    with temporary_settings({PREFECT_API_URL: stack.api_url}), get_client(sync_client=True) as client:
        named = FlowRunFilter(name=FlowRunFilterName(any_=[f"glue-mrpc-seed{seed}"]))
        (run,) = client.read_flow_runs(flow_run_filter=named)
    return run.state_name


def build(out: Path, _folders: Folders) -> dict[str, Any]:
    """One small file and one that takes a while to send; the same bytes every time."""
    (out / "a.bin").write_bytes(b"small")
    (out / "b.bin").write_bytes(random.Random(3).randbytes(BIG))
    return {}


class Cut:
    """A request's body that calls `act` in the middle, once: the bytes before it are sent, the rest follows after."""

    def __init__(self, body: Any, size: int, act: Callable[[], None]) -> None:
        self._body, self._left, self._act = body, size // 2, act

    def read(self, amount: int = -1) -> bytes:
        part: bytes = self._body.read(amount)
        if 0 < self._left <= len(part):
            self._act()
        self._left -= len(part)
        return part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def test_a_store_that_is_killed_during_an_upload_loses_nothing_that_it_acknowledged(
    own: Stack, own_home: Path, user: Corner
) -> None:
    cuts: list[Cut] = []

    def cut(request: Any, **_: Any) -> None:
        if request.url.endswith("/b.bin") and not cuts:
            cuts.append(Cut(request.body, BIG, lambda: kill(own, "store")))
            request.body = cuts[0]

    user.store.client.meta.events.register("before-send.s3.PutObject", cut)
    with pytest.raises(GlueflowError) as failed:
        get_or_build(user.store, user.settings, FETCH, {}, build)
    assert failed.value.retryable
    up(own_home)
    (small,) = user.keys("steps/")
    assert user.store.get(small) == b"small"
    assert find(user.store, FETCH, {}).state == "absent"
    again = get_or_build(user.store, user.settings, FETCH, {}, build)
    assert again.state == "built"
    assert find(user.store, FETCH, {}).state == "sound"
    held = {file.path: user.store.get(object_key(FETCH.folder, file)) for file in again.manifest.files}
    assert held == {"a.bin": b"small", "b.bin": random.Random(3).randbytes(BIG)}
    assert user.keys("leases/") == set()


def test_a_prefect_server_that_is_killed_during_training_and_started_again_has_every_step(
    own: Stack, own_home: Path, user: Corner, tiny: Path
) -> None:
    run = start(user, tiny, seed=41)
    child = training(run)
    child.suspend()
    kill(own, "prefect")
    back = up(own_home)
    child.resume()
    output, errors = run.communicate()
    assert run.returncode == 0, errors
    assert flow_state(back, seed=41) == "Completed"
    assert tries(back, 41, COMPLETED) == COMPLETED
    assert json.loads(output)["model"]["version"] == 1
    assert user.store.get("models/mrpc/versions/1/manifest.json") is not None


@pytest.mark.slow
def test_a_run_whose_training_ends_while_prefect_s_server_is_away_ends_once_it_is_back(
    own: Stack, own_home: Path, user: Corner, tiny: Path
) -> None:
    """Ten seconds are less than Prefect's client waits. A task's last state may be lost then, the run's is not."""
    run = start(user, tiny, seed=42)
    training(run)
    kill(own, "prefect")
    until_trained(user, run)
    time.sleep(10)
    back = up(own_home)
    output, errors = run.communicate()
    assert run.returncode == 0, errors
    assert flow_state(back, seed=42) == "Completed"
    assert json.loads(output)["model"]["version"] == 1


@pytest.mark.slow
def test_a_store_that_is_killed_during_training_and_started_again_is_not_noticed(
    own: Stack, own_home: Path, user: Corner, tiny: Path
) -> None:
    run = start(user, tiny, seed=44)
    child = training(run)
    child.suspend()
    kill(own, "store")
    time.sleep(2 * user.settings.lease)  # the run's signs of life go nowhere
    back = up(own_home)
    child.resume()
    output, errors = run.communicate()
    assert run.returncode == 0, errors
    assert tries(back, 44, COMPLETED) == COMPLETED
    assert json.loads(output)["model"]["version"] == 1
    assert user.keys("leases/") == set()


def test_credentials_revoked_between_runs_are_refused_before_any_work(
    own: Stack, own_home: Path, user: Corner, tiny: Path
) -> None:
    revoke(own_home, own)
    errors = user.glueflow("run", *arguments(tiny, seed=45), status=1).stderr
    assert "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in errors
    assert len(errors.splitlines()) == 1
    assert tries(own, 45, {}) == {}


def test_credentials_revoked_during_a_run_fail_it_without_a_second_try(
    own: Stack, own_home: Path, user: Corner, tiny: Path
) -> None:
    run = start(user, tiny, seed=46)
    child = training(run)
    child.suspend()
    renewed = revoke(own_home, own)
    child.resume()
    _, errors = run.communicate()
    assert run.returncode == 1
    assert "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in errors
    assert len(errors.splitlines()) == 1
    wanted = {"fetch": ("Completed", 1), "tokenize": ("Completed", 1), "fine-tune": ("Failed", 1)}
    assert tries(renewed, 46, wanted) == wanted
    secret = {"AWS_SECRET_ACCESS_KEY": renewed.secret_key}
    planned = user.json("plan", *arguments(tiny, seed=46), **secret)
    assert [step["state"] for step in planned["steps"]] == ["reuse", "reuse", "build", "build", "build"]


def test_a_prefect_server_that_is_away_when_a_run_starts_is_one_line(own: Stack, user: Corner, tiny: Path) -> None:
    kill(own, "prefect")
    errors = user.glueflow("run", *arguments(tiny, seed=43), status=1).stderr
    assert errors.startswith(f"error: prefect: no server answers at {own.api_url}")
    assert len(errors.splitlines()) == 1
    assert user.keys() == set()
