"""Single flight in numbers, with the real store: 32 runs at once on one key, and 8 processes on 8 shared keys."""

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tasks.core.artifact import Outcome, find
from tests.conftest import Corner
from tests.flight import KEYS, get, step

RUNS = 32
PROCESSES = 8


def test_of_32_runs_at_once_on_one_key_one_builds(corner: Corner) -> None:
    start = threading.Barrier(RUNS)

    def run(number: int) -> Outcome:
        start.wait()
        return get(corner.store, corner.settings, 0, f"run-{number}")

    with ThreadPoolExecutor(RUNS) as pool:
        found = list(pool.map(run, range(RUNS)))
    assert len(corner.keys("notes/")) == 1
    assert Counter(outcome.state for outcome in found) == {"built": 1, "reused": RUNS - 1}
    assert len({outcome.manifest.digest for outcome in found}) == 1
    assert corner.keys("leases/") == set()
    print(f"flight: {RUNS} runs at once on one key, built once")


def test_of_8_processes_on_8_shared_keys_each_key_is_built_once(corner: Corner, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.flight", f"process-{number}"],
            env={**corner.environment, "GLUEFLOW_HOME": str(tmp_path / str(number)), "PATH": ""},
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    seen = [tuple(line.split()) for child in children for line in child.communicate()[0].splitlines()]
    assert [child.returncode for child in children] == [0] * PROCESSES
    assert len(seen) == PROCESSES * KEYS
    assert len(set(seen)) == KEYS
    assert Counter(key.split("/")[1] for key in corner.keys("notes/")) == {str(number): 1 for number in range(KEYS)}
    assert {find(corner.store, step(number), {}).state for number in range(KEYS)} == {"sound"}
    assert corner.keys("leases/") == set()
    builders = Counter(key.split("/")[2] for key in corner.keys("notes/"))
    print(f"flight: {PROCESSES} processes on {KEYS} shared keys, each built once, by {len(builders)} of them")
