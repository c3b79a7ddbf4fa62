"""Each file of each kind of entry, and of a registered version, damaged in every way: a reader on an empty disk finds
it every time, and the entry is built anew with the same bytes."""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.stack import Stack
from tasks.core import registration, registry
from tasks.core.artifact import find, get_or_build, local_copy
from tasks.core.errors import BadData, Damaged, GlueflowError, WrongRequest
from tasks.core.manifest import Manifest
from tasks.core.plan import PlannedStep, plan
from tasks.core.registration import Candidate
from tasks.core.settings import Settings
from tasks.core.specs import STEPS
from tasks.core.store import Store, object_key
from tasks.steps import register
from tests.conftest import Corner, make_corner
from tests.finished import finished, small

FLIPS = 4  # seeded positions a file
MODEL = "models/mrpc"


def spoilt(body: bytes, seed: str) -> Iterator[tuple[str, bytes | None]]:
    """The body with one bit flipped at several places, shortened, emptied, and not there at all."""
    seeded = random.Random(seed)
    for _ in range(FLIPS):
        place, bit = seeded.randrange(len(body)), 1 << seeded.randrange(8)
        yield f"flipped at {place}", body[:place] + bytes([body[place] ^ bit]) + body[place + 1 :]
    yield "without its last byte", body[:-1]
    yield "cut in half", body[: len(body) // 2]
    yield "emptied", b""
    yield "removed", None


class Entries:
    """The five entries of one real run and the version that it registered."""

    def __init__(self, user: Corner, steps: tuple[PlannedStep, ...], folder: Path) -> None:
        self.store, self.folder = user.store, folder
        self.steps = {step.step: step for step in steps}
        self.made: dict[str, Manifest] = {}
        for step in steps:
            finding = find(self.store, step, self.inputs(step))
            assert finding.manifest
            self.made[step.step] = finding.manifest
        self.number = self.made["register"].facts["version"]
        self.version = registry.load(self.store, "mrpc", self.number)
        self.bodies = {step: self.files(step) for step in self.made}

    def inputs(self, step: PlannedStep) -> dict[str, Manifest]:
        return {name: self.made[name] for name in step.inputs}

    def files(self, step: str) -> dict[str, bytes]:
        """The bytes of the entry's files."""
        folder = self.steps[step].folder
        return {file.path: self.store.get(object_key(folder, file)) or b"" for file in self.made[step].files}

    def objects(self, step: str) -> dict[str, str]:
        """Every object of the entry, by a short name."""
        folder = self.steps[step].folder
        named = {file.path: object_key(folder, file) for file in self.made[step].files}
        return {**named, "manifest.json": f"{folder}/manifest.json"}

    def put(self, key: str, body: bytes | None) -> None:
        if body is None:
            self.store.delete(key)
        else:
            self.store.put(key, body)

    def empty_disk(self) -> Settings:
        home = self.folder / "reader"
        shutil.rmtree(home, ignore_errors=True)
        return Settings(home=home)

    def check(self, step: str) -> Any:
        return partial(registration.lacking, self.store) if step == "register" else None

    def read(self, step: str) -> str | None:
        """What a reader on an empty disk finds wrong with the entry, or None."""
        planned = self.steps[step]
        finding = find(self.store, planned, self.inputs(planned), self.check(step))
        if finding.manifest is None or finding.state != "sound":
            return f"{finding.state}: {finding.reason}"
        try:
            with local_copy(self.store, self.empty_disk(), finding.manifest):
                return None
        except Damaged as error:
            return str(error)

    def rebuild(self, step: str) -> None:
        """Get the entry anew with the work replayed; its files are then those that were first made."""
        planned = self.steps[step]

        def replay(out: Path, _folders: Any) -> dict[str, Any]:
            for name, body in self.bodies[step].items():
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                (out / name).write_bytes(body)
            return self.made[step].facts

        found = get_or_build(
            self.store, self.empty_disk(), planned, self.inputs(planned), replay, check=self.check(step)
        )
        assert found.state == "built"
        assert found.manifest.digest == self.made[step].digest

    def register(self) -> registry.Version:
        """The pipeline's last step, on the entries that are there."""
        planned = self.steps["register"]
        inputs = self.inputs(planned)
        get_or_build(
            self.store,
            self.empty_disk(),
            planned,
            inputs,
            partial(register.run, self.store, planned, inputs),
            check=self.check("register"),
        )
        return registry.load(self.store, "mrpc", self.number)


@pytest.fixture(scope="module")
def entries(stack: Stack, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Entries:
    folder = tmp_path_factory.mktemp("damage")
    user = make_corner(stack, folder / "home")
    finished(user, asked := small(tiny))
    return Entries(user, plan(asked).steps, folder)


@pytest.mark.parametrize("step", [step for step in STEPS if step != "answer"])  # which no run makes
def test_damage_of_an_entry_is_found_every_time_and_mended(entries: Entries, step: str) -> None:
    counted: Counter[str] = Counter()
    assert entries.read(step) is None
    for name, key in entries.objects(step).items():
        body = entries.store.get(key)
        assert body
        for how, other in spoilt(body, f"{step}/{name}"):
            entries.put(key, other)
            assert entries.read(step), f"{name} {how} was not found"
            entries.rebuild(step)
            assert entries.read(step) is None, f"{name} {how} was not mended"
            counted[how.split(" at ")[0]] += 1
    print(f"damage: {step}: {sum(counted.values())} of {sum(counted.values())} found and mended, {dict(counted)}")


def test_damage_of_a_version_is_found_every_time_and_mended(entries: Entries, tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    folder = entries.version.folder
    for name in [file.path for file in entries.version.files] + ["manifest.json"]:
        key = f"{folder}/{name}"
        body = entries.store.get(key)
        assert body
        for how, other in spoilt(body, name):
            entries.put(key, other)
            with pytest.raises((Damaged, BadData, WrongRequest), match="mrpc@1"):
                registry.pull(entries.store, registry.load(entries.store, "mrpc", 1), tmp_path / "pulled")
            shutil.rmtree(tmp_path / "pulled", ignore_errors=True)
            assert entries.register() == entries.version, f"{name} {how} was not mended"
            registry.pull(entries.store, entries.version, tmp_path / "pulled")
            shutil.rmtree(tmp_path / "pulled")
            counted[how.split(" at ")[0]] += 1
    print(f"damage: version: {sum(counted.values())} of {sum(counted.values())} found and mended, {dict(counted)}")


@pytest.mark.parametrize("name", ["claims/1.json", "digests/{content}.json"])
def test_a_damaged_claim_or_marker_stops_nobody(entries: Entries, name: str) -> None:
    """They only matter while something is registered."""
    key = f"{MODEL}/{name.format(content=entries.version.content)}"
    body = entries.store.get(key)
    assert body
    for how, other in spoilt(body, name):
        if other is None:
            continue
        entries.put(key, other)
        entries.store.delete(f"{entries.steps['register'].folder}/manifest.json")
        assert entries.register() == entries.version, how
        assert registry.versions(entries.store, "mrpc") == [1], how
        assert entries.store.get(key) == body, how


def test_a_damaged_claim_without_its_version_is_named(entries: Entries, tmp_path: Path) -> None:
    store = Store(entries.store.client, entries.store.bucket, f"{entries.store.prefix}other/")
    store.put(f"{MODEL}/claims/1.json", b"{")
    with pytest.raises(GlueflowError, match=r"claims/1\.json is damaged"):
        registration.register(store, "mrpc", Candidate({}, {}, {}), "now")
