"""What one process does in tests/test_flight.py: take eight shared keys, in an order of its own.

python -m tests.flight process-3    # waits for a line, then prints each key's number and digest
"""

import random
import sys
from pathlib import Path
from typing import Any

from tasks.core.artifact import Folders, Outcome, get_or_build
from tasks.core.plan import PlannedStep
from tasks.core.settings import Settings, settings
from tasks.core.specs import FetchSpec
from tasks.core.store import Store, open_store

KEYS = 8


def step(number: int) -> PlannedStep:
    return PlannedStep("fetch", FetchSpec(task="mrpc", data=f"sample:v1:{number}"), {}, {})


def get(store: Store, known: Settings, number: int, builder: str) -> Outcome:
    """The entry of that number; whoever builds it leaves a note, and bytes that no other build gives."""

    def build(out: Path, _folders: Folders) -> dict[str, Any]:
        store.put(f"notes/{number}/{builder}", b"")
        (out / "train.arrow").write_text(f"rows of {builder}")
        return {"rows": 1}

    return get_or_build(store, known, step(number), {}, build)


def take_all(name: str) -> None:
    """What one process does: every key, in an order of its own."""
    known = settings()
    store = open_store(known)
    sys.stdin.readline()  # all begin together
    for number in random.Random(name).sample(range(KEYS), KEYS):
        print(number, get(store, known, number, name).manifest.digest, flush=True)


if __name__ == "__main__":
    take_all(sys.argv[1])
