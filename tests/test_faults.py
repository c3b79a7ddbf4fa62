"""Every request of a whole run made to fail in turn, in every way: the run ends well or is resumable, and a second one
converges to what an undisturbed run gives. Spoilt downloads never reach the cache. A refusal is told at once."""

import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from infra.stack import Stack
from tasks.core import lease as lease_module
from tasks.core import registry
from tasks.core.artifact import find, local_copy
from tasks.core.errors import Damaged, Denied, GlueflowError, Unavailable
from tasks.core.files import damage
from tasks.core.settings import Settings
from tasks.core.store import Store, open_store
from tests.conftest import Corner, some
from tests.replay import Replay, audit, steps
from tests.s3_faults import KINDS, PASSING, Faults, client, cut, flipped, proxy, slow, stalled

OTHER = r"model\.safetensors has another SHA-256"
COMPARED = 11  # files of five entries and of the version, with the statement where it came from
HASTE = 100  # times faster than the clock, for who waits for a lease


@pytest.fixture
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead holder is taken over after its 30 seconds, which pass in 0.3."""
    quick = SimpleNamespace(
        monotonic=lambda: HASTE * time.monotonic(), sleep=lambda seconds: time.sleep(seconds / HASTE)
    )
    monkeypatch.setattr(lease_module, "time", quick)


class Trial:
    """A corner of the bucket with a client whose requests can be disturbed, and one whose cannot."""

    def __init__(self, stack: Stack, home: Path) -> None:
        self.stack, self.home, s3 = stack, home, client(stack)
        self.faults, self.s3, self.calm = Faults(s3), s3, client(stack)

    def fresh(self) -> tuple[Replay, Store]:
        """An empty prefix and empty disks: a run with faults, and the same objects seen without."""
        prefix = f"faults-{uuid4().hex[:12]}/"
        home = Path(tempfile.mkdtemp(dir=self.home))
        return Replay(Store(self.s3, self.stack.bucket, prefix), home), Store(self.calm, self.stack.bucket, prefix)


@pytest.fixture
def trial(stack: Stack, tmp_path: Path) -> Trial:
    return Trial(stack, tmp_path)


def run(replay: Replay) -> dict[str, str]:
    """The digest of each step's content; of the registration, which names its bucket, the version's number."""
    done = replay.run()
    found = {name: outcome.manifest.digest for name, outcome in done.items()}
    return found | {"register": f"version {done['register'].manifest.facts['version']}"}


def undisturbed(trial: Trial) -> tuple[dict[str, str], list[str]]:
    """What a run without faults gives, and the requests that it makes."""
    replay, calm = trial.fresh()
    trial.faults.none()
    wanted = run(replay)
    asked = list(trial.faults.seen)
    assert audit(calm) == COMPARED
    return wanted, asked


def disturbed(trial: Trial, ordinal: int, kind: str, wanted: dict[str, str]) -> str:
    """One run with that request failing, and one without: what came of the first."""
    replay, calm = trial.fresh()
    trial.faults.at(ordinal, kind)
    error, found = None, wanted
    try:
        found = run(replay)
        assert registry.missing(calm, "mrpc", 1) is None
    except GlueflowError as raised:
        error = raised
    assert found == wanted
    assert "\n" not in str(error)
    assert error is None or error.retryable or kind not in PASSING, error
    assert len(trial.faults.seen) > ordinal
    assert [thread for thread in threading.enumerate() if thread.name.startswith("lease ")] == []
    audit(calm)
    trial.faults.none()
    assert run(replay) == wanted
    whole(calm)
    shutil.rmtree(replay.home)
    return "resumable" if error else "ended well"


def whole(calm: Store) -> None:
    """Five sound entries, one version; a lease that is left is of a finished step, in nobody's way."""
    assert audit(calm) == COMPARED
    found: dict[str, Any] = {}
    for step in steps():
        finding = find(calm, step, {name: found[name] for name in step.inputs})
        assert finding.state == "sound", finding
        found[step.step] = finding.manifest
    assert registry.versions(calm, "mrpc") == [1]
    assert registry.missing(calm, "mrpc", 1) is None


def walk(trial: Trial, cases: list[tuple[int, str]], wanted: dict[str, str], asked: list[str]) -> Counter[str]:
    """What came of each case, after the run that was begun again had converged."""
    came_of_it: Counter[str] = Counter()
    for ordinal, kind in cases:
        try:
            came_of_it[disturbed(trial, ordinal, kind, wanted)] += 1
        except BaseException as error:
            error.add_note(f"with {kind} at request {ordinal}: {asked[ordinal]}")
            raise
    print(f"faults: {len(cases)} runs over {len(asked)} requests, {dict(came_of_it)}, all converged")
    return came_of_it


def test_each_request_fails_in_one_way(trial: Trial, haste: None) -> None:
    wanted, asked = undisturbed(trial)
    seeded = random.Random(0)
    cases = [(ordinal, seeded.choice(KINDS)) for ordinal in range(len(asked))]
    assert walk(trial, cases, wanted, asked).total() == len(cases)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_request_fails_in_every_way(trial: Trial, haste: None) -> None:
    wanted, asked = undisturbed(trial)
    cases = some([(ordinal, kind) for ordinal in range(len(asked)) for kind in KINDS], 60)
    assert walk(trial, cases, wanted, asked).total() == len(cases)


def entry(trial: Trial) -> tuple[Replay, Store, Any]:
    """A run that is done, and the manifest of its training."""
    replay, calm = trial.fresh()
    trial.faults.none()
    return replay, calm, replay.run()["finetune"].manifest


def empty(home: Path) -> bool:
    """Whether no file of an entry or a model is on that disk."""
    return not [path for path in home.rglob("*") if path.is_file() and path.suffix not in (".lock", ".fill")]


@pytest.mark.parametrize("spoil", [cut, stalled])
def test_a_download_that_ends_early_may_be_tried_again_and_leaves_nothing(
    trial: Trial, tmp_path: Path, spoil: Any
) -> None:
    _, calm, manifest = entry(trial)
    version = registry.find(calm, "mrpc")
    known = Settings(home=tmp_path / "reader")
    with proxy(trial.stack.endpoint, spoil, "/model.safetensors") as (endpoint, spoilt):
        reader = Store(client(trial.stack, endpoint, read_timeout=0.3), calm.bucket, calm.prefix)
        with pytest.raises(Unavailable), local_copy(reader, known, manifest):
            pass
        with pytest.raises(Unavailable):
            registry.pull(reader, version, tmp_path / "model")
    assert {path.rpartition("/")[2] for path in spoilt} == {"model.safetensors"}
    assert empty(known.home)
    read_again(calm, known, manifest, tmp_path)
    whole(calm)


def test_a_download_that_comes_slowly_is_whole(trial: Trial, tmp_path: Path) -> None:
    _, calm, manifest = entry(trial)
    with proxy(trial.stack.endpoint, slow, "/model.safetensors") as (endpoint, spoilt):
        reader = Store(client(trial.stack, endpoint), calm.bucket, calm.prefix)
        read_again(reader, Settings(home=tmp_path / "reader"), manifest, tmp_path)
    assert len(spoilt) == 2


def test_a_download_with_another_bit_never_reaches_the_cache(trial: Trial, tmp_path: Path) -> None:
    replay, calm, manifest = entry(trial)
    version = registry.find(calm, "mrpc")
    known = Settings(home=tmp_path / "reader")
    with proxy(trial.stack.endpoint, flipped, "/model.safetensors") as (endpoint, _):
        reader = Store(client(trial.stack, endpoint), calm.bucket, calm.prefix)
        with pytest.raises(Damaged, match=OTHER), local_copy(reader, known, manifest):
            pass
        with pytest.raises(Damaged, match=OTHER):
            registry.pull(reader, version, tmp_path / "model")
    assert empty(known.home)
    replay.run()
    read_again(calm, known, manifest, tmp_path)
    whole(calm)


def read_again(store: Store, known: Settings, manifest: Any, folder: Path) -> None:
    """Now both ways of reading give the recorded bytes."""
    with local_copy(store, known, manifest) as found:
        assert damage(found, manifest.files) is None
    version = registry.find(store, "mrpc")
    assert damage(registry.pull(store, version, folder / "model"), version.files) is None


@pytest.mark.parametrize("kind", ["denied", "unknown key"])
def test_credentials_that_are_revoked_in_the_middle_fail_at_once(
    trial: Trial, inside: Corner, haste: None, kind: str
) -> None:
    """With the client that runs use, with retries of its own: only the write that would have ended a lease follows."""
    wanted, asked = undisturbed(trial)
    refused = 0
    for ordinal in sorted(random.Random(kind).sample(range(len(asked)), 8)):
        replay, calm = trial.fresh()
        usual = open_store(inside.settings).client
        faults = Faults(usual)
        faults.after(ordinal, kind)
        with pytest.raises(Denied, match="check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"):
            run(Replay(Store(usual, calm.bucket, calm.prefix), replay.home))
        assert len(faults.seen) - ordinal <= 2, faults.seen[ordinal:]
        refused += len(faults.seen) - ordinal
        trial.faults.none()
        assert run(replay) == wanted
        whole(calm)
    print(f"credentials: revoked 8 times, {refused} requests refused in all")


def test_a_refused_request_ends_nobody_elses_lease(trial: Trial, haste: None) -> None:
    """A fault right after a lease was taken leaves none that this process keeps alive."""
    replay, calm = trial.fresh()
    trial.faults.at(3, "503")
    with pytest.raises(Unavailable):
        run(replay)
    assert trial.faults.seen[2].startswith("PutObject")
    assert "/leases/" in trial.faults.seen[2]
    assert calm.sizes("leases/") == {}


def test_a_conditional_write_that_met_another_is_tried_again(trial: Trial) -> None:
    """AWS answers 409 to both; neither has landed."""
    replay, calm = trial.fresh()
    trial.faults.at(0, "409")
    assert replay.store.create("commit", b"mine")
    assert calm.get("commit") == b"mine"


def test_a_lease_that_is_damaged_is_taken_over(trial: Trial, haste: None) -> None:
    replay, calm = trial.fresh()
    calm.put(f"leases/{steps()[0].key}.json", b"\x80")
    assert run(replay)["register"] == "version 1"
    assert calm.sizes("leases/") == {}
