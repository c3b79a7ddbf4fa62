"""Every request that keeps a training's state made to fail in turn, in every way: what is restored is always whole, the
training that is begun again keeps its states and ends, and leaves none behind."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from infra.stack import Stack
from tasks.core.errors import GlueflowError
from tasks.core.keys import digest
from tasks.core.progress import Saved
from tasks.core.resume import Uploads, clear, restore
from tasks.core.store import Store
from tests.conftest import some
from tests.s3_faults import KINDS, PASSING, Faults, client

KEY = digest("a training")
STEPS = (10, 20, 30)


def weights(step: int) -> bytes:
    return b"weights after %d" % step


def train(store: Store, folder: Path) -> None:
    """A training's life as the store sees it: go on from the newest state, keep one at each step, clear at the end."""
    begun = restore(store, KEY, folder / "resume")
    uploads = Uploads(store, KEY)
    for step in (step for step in STEPS if step > begun):
        place = Path(tempfile.mkdtemp(dir=folder))
        (place / "model.safetensors").write_bytes(weights(step))
        (place / "best.safetensors").write_bytes(b"best weights")
        uploads.offer(Saved(step, str(place)))
    uploads.close()
    clear(store, KEY)


def whole(store: Store, folder: Path) -> int:
    """The step of the state that another machine would go on from, all of whose bytes are right; 0 if there is none."""
    step = restore(store, KEY, folder)
    if step:
        assert (folder / "model.safetensors").read_bytes() == weights(step)
        assert (folder / "best.safetensors").read_bytes() == b"best weights"
    return step


@pytest.mark.slow
def test_each_request_that_keeps_a_state_fails_in_every_way(stack: Stack, tmp_path: Path) -> None:
    disturbed, calm = client(stack), client(stack)
    faults = Faults(disturbed)
    train(Store(disturbed, stack.bucket, f"states-{uuid4().hex[:12]}/"), fresh(tmp_path))
    asked = list(faults.seen)
    came_of_it: Counter[str] = Counter()
    cases = some([(ordinal, kind) for ordinal in range(len(asked)) for kind in KINDS], 60)
    for ordinal, kind in cases:
        prefix = f"states-{uuid4().hex[:12]}/"
        store, seen = Store(disturbed, stack.bucket, prefix), Store(calm, stack.bucket, prefix)
        folder = fresh(tmp_path)
        faults.at(ordinal, kind)
        error = None
        try:
            train(store, folder)
        except GlueflowError as raised:
            error = raised
        assert error is None or error.retryable or kind not in PASSING, (asked[ordinal], kind, error)
        came_of_it["resumable" if error else "ended well"] += 1
        faults.none()
        assert whole(seen, folder / "another machine") in (0, *STEPS), (asked[ordinal], kind)
        train(store, fresh(tmp_path))
        assert seen.sizes("") == {}, (asked[ordinal], kind)
        shutil.rmtree(folder)
    print(f"faults: {came_of_it.total()} trainings over {len(asked)} requests, {dict(came_of_it)}, all converged")
    assert came_of_it.total() == len(cases)
    assert min(came_of_it.values()) > len(cases) / len(KINDS)


def fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))
