"""A full disk, for real: a tmpfs of a few megabytes in a mount namespace of the command's own.

What it proves: exit status 1, one line that names the folder and what to do, no second try, nothing in the bucket but
what was finished before, no lease left, and a next run with space that goes on from there.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.stack import Stack
from tests.conftest import Corner, make_corner
from tests.test_outage import tries

MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
HINT = "free some, or set GLUEFLOW_HOME to a larger disk"
SEED = 51
Finished = subprocess.CompletedProcess[str]
FIRST_FILE, FIRST_MODEL = "16k", "3m"  # what does not fit: the fetched data; the weights, of 4 MB


def on_small_disk(folder: Path, size: str, *command: str, **options: Any) -> Finished:
    """Run the command where `folder` is an empty disk of that size; what it leaves there is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", size, str(folder)]
    return subprocess.run([*inside, *command], capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module", autouse=True)
def _namespaces(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not shutil.which("unshare"):
        pytest.skip("no `unshare` here (util-linux): a small disk cannot be made without root")
    tried = on_small_disk(tmp_path_factory.mktemp("try"), "16k", "true")
    if tried.returncode:
        pytest.skip(f"this machine lets no ordinary user mount a small disk: {tried.stderr.strip()}")


@pytest.fixture(scope="module")
def user(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    return make_corner(stack, tmp_path_factory.mktemp("user") / "home")


@pytest.fixture(scope="module")
def arguments(tiny: Path) -> list[str]:
    return ["mrpc", "--data", "sample:64", "--checkpoint", f"file:{tiny}", "--epochs", "1", "--seed", str(SEED)]


@pytest.fixture(scope="module")
def untrained(user: Corner, arguments: list[str]) -> Finished:
    """A run without space for a trained model."""
    return glueflow(user, user.home, FIRST_MODEL, "run", *arguments)


@pytest.fixture(scope="module")
def whole(user: Corner, untrained: Any, arguments: list[str]) -> Any:
    """The next run, with space."""
    return user.json("run", *arguments)


def glueflow(user: Corner, folder: Path, size: str, *arguments: str) -> Finished:
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return on_small_disk(folder, size, *command, env={**os.environ, **user.environment})


def check_refusal(user: Corner, folder: Path, found: Finished) -> None:
    """The command ended for want of space: one line, and no lease left."""
    assert found.returncode == 1, found.stderr
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"error: disk: no space left at {folder}")
    assert line.endswith(HINT)
    assert user.keys("leases/") == set()


def finished(user: Corner) -> set[str]:
    return user.keys("steps/") | user.keys("models/") | user.keys("quarantine/")


def entries(user: Corner) -> set[str]:
    return {key.split("/")[1] for key in user.keys("steps/")}


def test_no_space_for_the_first_file(user: Corner, arguments: list[str], stack: Stack) -> None:
    check_refusal(user, user.home, glueflow(user, user.home, FIRST_FILE, "run", *arguments))
    wanted = {"fetch": ("Failed", 1)}
    assert tries(stack, SEED, wanted) == wanted
    assert entries(user) == set()


def test_no_space_for_a_trained_model(user: Corner, untrained: Finished, stack: Stack) -> None:
    check_refusal(user, user.home, untrained)
    wanted = {"fetch": ("Completed", 1), "tokenize": ("Completed", 1), "fine-tune": ("Failed", 1)}
    assert tries(stack, SEED, wanted) == wanted
    assert entries(user) == {"fetch", "encode"}
    assert user.keys("models/") == set()


def test_the_next_run_with_space_goes_on(whole: Any) -> None:
    assert [step["state"] for step in whole["steps"]] == ["reused", "reused", "built", "built", "built"]


def test_no_space_for_a_download_into_the_cache(
    user: Corner, whole: Any, arguments: list[str], stack: Stack, tmp_path: Path
) -> None:
    other = user.another_machine(tmp_path / "other")
    before = finished(user)
    check_refusal(other, other.home, glueflow(other, other.home, FIRST_MODEL, "run", *arguments, "--force", "evaluate"))
    wanted = {**dict.fromkeys(("fetch", "tokenize", "fine-tune"), ("Cached", 1)), "evaluate": ("Failed", 1)}
    assert tries(stack, SEED, wanted) == wanted
    assert finished(user) == before
    again = other.json("run", *arguments, "--force", "evaluate")
    assert {step["state"] for step in again["steps"] if step["name"] != "evaluate"} == {"reused"}
    assert again["metrics"] == whole["metrics"]


def test_no_space_for_a_model_that_is_asked(user: Corner, whole: Any, tmp_path: Path) -> None:
    other = user.another_machine(tmp_path / "other")
    check_refusal(
        other,
        other.home,
        glueflow(other, other.home, FIRST_MODEL, "predict", "mrpc@1", "He said it .", "She said it ."),
    )


def test_no_space_for_a_model_that_is_pulled(user: Corner, whole: Any, tmp_path: Path) -> None:
    check_refusal(
        user,
        tmp_path / "small",
        glueflow(user, tmp_path / "small", FIRST_MODEL, "models", "pull", "mrpc@1", str(tmp_path / "small" / "model")),
    )
    user.glueflow("models", "pull", "mrpc@1", str(tmp_path / "small" / "model"))
