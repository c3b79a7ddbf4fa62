"""Single flight on a real SeaweedFS: one builds, the others reuse; a dead holder is taken over, a slow one is not."""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tasks.core.artifact import Folders, Outcome, find, get_or_build
from tasks.core.errors import LeaseLost
from tasks.core.lease import exclusive
from tests.conftest import Corner
from tests.test_artifact import FETCH, build

KEY = "leases/key.json"
LEASE = 3.0  # seconds; enough for the heartbeat on a busy machine, short enough to wait for


def quick(corner: Corner) -> Corner:
    return Corner(corner.home, {**corner.environment, "GLUEFLOW_LEASE": str(LEASE)}, corner.prefix)


@pytest.mark.parametrize(("writers", "seconds"), [(8, 0.0), (8, 2 * LEASE)])
def test_of_many_at_once_one_builds_even_if_it_is_slow(corner: Corner, writers: int, seconds: float) -> None:
    """Slower than its lease lasts, but alive: nobody takes over."""
    user, built = quick(corner), []
    start = threading.Barrier(writers)

    def run(number: int) -> Outcome:
        def work(out: Path, folders: Folders) -> dict[str, Any]:
            built.append(number)
            time.sleep(seconds)
            return build(out, folders, f"rows of {number}")

        start.wait()
        return get_or_build(user.store, user.settings, FETCH, {}, work)

    with ThreadPoolExecutor(writers) as pool:
        found = list(pool.map(run, range(writers)))
    assert len(built) == 1
    assert sorted(outcome.state for outcome in found) == ["built"] + ["reused"] * (writers - 1)
    assert len({outcome.manifest.digest for outcome in found}) == 1
    assert user.keys("leases/") == set()


HOLD = """
import sys, time
from tasks.core.lease import exclusive
from tasks.core.settings import settings
from tasks.core.store import open_store
with exclusive(open_store(settings()), sys.argv[1], float(sys.argv[2]), lambda: False) as lease:
    print("held", flush=True)
    sys.stdin.readline()
    lease.check()
    print("still held", flush=True)
"""


def holder(corner: Corner) -> subprocess.Popen[str]:
    """Another process that holds the lease until a line is sent to it."""
    root = Path(__file__).resolve().parents[1]
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, KEY, str(LEASE)],
        env={**corner.environment, "PYTHONPATH": str(root), "PATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "held\n"
    return child


def test_a_killed_holder_is_taken_over(corner: Corner) -> None:
    child = holder(corner)
    child.kill()
    child.wait()
    with exclusive(corner.store, KEY, LEASE, lambda: False) as lease:
        assert lease
        assert lease.term == 2
        lease.check()


def test_a_holder_that_slept_is_taken_over_and_cannot_commit(corner: Corner) -> None:
    child = holder(corner)
    child.send_signal(signal.SIGSTOP)
    with exclusive(corner.store, KEY, LEASE, lambda: False) as lease:
        assert lease
        child.send_signal(signal.SIGCONT)
        _, errors = child.communicate("\n")
        assert child.returncode != 0
        assert "LeaseLost" in errors
        lease.check()


def test_a_lease_is_free_again_after_work_that_failed(corner: Corner) -> None:
    def fail(_out: Path, _folders: Folders) -> dict[str, Any]:
        raise RuntimeError("broken")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken"):
            get_or_build(corner.store, corner.settings, FETCH, {}, fail)
        assert corner.keys() == set()


def test_who_lost_its_lease_does_not_commit(corner: Corner) -> None:
    """The store forgot the lease while the step was built, as if another had taken and finished it."""

    def work(out: Path, folders: Folders) -> dict[str, Any]:
        corner.store.put(f"leases/{FETCH.key}.json", b'{"term": 9}')
        return build(out, folders)

    with pytest.raises(LeaseLost, match="taken over"):
        get_or_build(corner.store, corner.settings, FETCH, {}, work)
    assert find(corner.store, FETCH, {}).state == "absent"
