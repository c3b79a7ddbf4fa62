"""Get or build: a hit is verified, a damaged entry is set aside and built anew, nothing half-done is visible."""

from pathlib import Path
from typing import Any

import pytest

from tasks.core.artifact import MANIFEST, Folders, find, get_or_build, local_copy, quarantine
from tasks.core.errors import Damaged, GlueflowError
from tasks.core.manifest import Manifest
from tasks.core.moving import Moved
from tasks.core.plan import PlannedStep
from tasks.core.specs import EncodeSpec, FetchSpec
from tasks.core.store import Store
from tasks.steps import register as registering
from tests.conftest import Corner
from tests.replay import steps

FETCH = PlannedStep("fetch", FetchSpec(task="mrpc", data="sample:v1:800"), {}, {})
ENCODE = PlannedStep("encode", EncodeSpec(task="mrpc", checkpoint="sha256:aa", max_length=8), {"fetch": FETCH.key}, {})


def build(out: Path, _folders: Folders, content: str = "rows") -> dict[str, Any]:
    (out / "train.arrow").write_text(content)
    (out / "folder").mkdir()
    (out / "folder" / "test.arrow").write_text("more")
    return {"rows": 2}


def fetched(corner: Corner, content: str = "rows", force: bool = False) -> Any:
    return get_or_build(
        corner.store, corner.settings, FETCH, {}, lambda out, folders: build(out, folders, content), force
    )


def read(corner: Corner, manifest: Manifest) -> str:
    """As a step would: a local copy, whose bytes were checked."""
    with local_copy(corner.store, corner.settings, manifest) as folder:
        return (folder / "train.arrow").read_text()


def data_key(corner: Corner, name: str = "train.arrow") -> str:
    return next(key for key in corner.keys(FETCH.folder) if key.endswith(name))


def test_the_second_time_is_reused(corner: Corner) -> None:
    first, second = fetched(corner), fetched(corner, "would differ")
    assert (first.state, second.state) == ("built", "reused")
    assert second.manifest == first.manifest
    assert first.manifest.facts == {"rows": 2}


@pytest.mark.parametrize("damage", ["remove", "truncate", "empty", "flip"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_damaged_file_never_reaches_a_reader(corner: Corner, tmp_path: Path, damage: str, elsewhere: bool) -> None:
    """Sizes are compared at once, digests on the first read by a machine without a copy."""
    manifest = fetched(corner).manifest
    key = data_key(corner)
    if damage == "remove":
        corner.store.delete(key)
    else:
        corner.store.put(key, {"truncate": b"row", "empty": b"", "flip": b"rowz"}[damage])
    reader = corner.another_machine(tmp_path / "other") if elsewhere else corner
    if damage == "flip" and elsewhere:
        with pytest.raises(Damaged, match=r"train\.arrow has another SHA-256"):
            read(reader, manifest)
        assert find(reader.store, FETCH, {}).state == "absent"
    if damage != "flip" or elsewhere:
        again = fetched(reader)
        assert again.state == "built"
        assert again.manifest.digest == manifest.digest
        assert any(name.startswith("quarantine/steps/fetch/") for name in corner.keys("quarantine/"))
        third = corner.another_machine(tmp_path / "third")
        assert read(third, manifest) == "rows"
    assert read(reader, manifest) == "rows"


def test_what_was_spoilt_on_the_way_is_no_damage(
    corner: Corner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first download with a flipped bit, a second one without: the entry stays where it is."""
    manifest = fetched(corner).manifest
    honest, spoilt = Store.download, list[str]()

    def spoil(store: Store, key: str, path: Path, moved: Moved) -> None:
        honest(store, key, path, moved)
        if key not in spoilt:
            spoilt.append(key)
            path.write_bytes(path.read_bytes()[:-1] + b"?")

    monkeypatch.setattr(Store, "download", spoil)
    reader = corner.another_machine(tmp_path / "other")
    with local_copy(reader.store, reader.settings, manifest) as folder:
        assert (folder / "train.arrow").read_text() == "rows"
    assert len(spoilt) == 2
    assert corner.keys("quarantine/") == set()
    assert find(corner.store, FETCH, {}).state == "sound"


def test_a_sleeper_does_not_set_aside_what_was_built_meanwhile(corner: Corner) -> None:
    """It found the entry damaged; when it wakes up, another run has built it anew."""
    fetched(corner)
    corner.store.put(f"{FETCH.folder}/{MANIFEST}", b"{}")
    seen = find(corner.store, FETCH, {})
    again = fetched(corner)
    quarantine(corner.store, FETCH.folder, seen.reason, seen.tag)
    assert find(corner.store, FETCH, {}).manifest == again.manifest


def test_what_was_wrong_with_an_entry_is_not_held_against_the_next(corner: Corner) -> None:
    """A reader of the old one finds it damaged after another run has built it anew with other bytes."""
    before = fetched(corner).manifest
    damaged = data_key(corner)
    after = fetched(corner, "other rows", force=True).manifest
    corner.store.put(damaged, b"rowz")
    with pytest.raises(Damaged, match=r"train\.arrow has another SHA-256"):
        registering.check(corner.store, before)
    assert find(corner.store, FETCH, {}).manifest == after
    assert corner.keys("quarantine/") == set()


def test_a_damaged_local_copy_is_replaced(corner: Corner) -> None:
    manifest = fetched(corner).manifest
    with local_copy(corner.store, corner.settings, manifest) as folder:
        (folder / "train.arrow").write_text("rowz")
        assert read(corner, manifest) == "rows"


@pytest.mark.parametrize("body", [b"", b"{}", b"\x80", b'{"step": "fetch"}'])
def test_a_damaged_manifest_is_set_aside(corner: Corner, body: bytes) -> None:
    fetched(corner)
    corner.store.put(f"{FETCH.folder}/{MANIFEST}", body)
    assert find(corner.store, FETCH, {}).state == "damaged"
    again = fetched(corner)
    assert again.state == "built"
    assert "damaged" in again.reason


def test_a_manifest_of_another_entry_is_not_believed(corner: Corner) -> None:
    manifest = fetched(corner).manifest
    corner.store.put(f"{ENCODE.folder}/{MANIFEST}", manifest.encoded())
    assert find(corner.store, ENCODE, {"fetch": manifest}).state == "damaged"


def test_what_was_made_from_other_bytes_is_stale(corner: Corner) -> None:
    before = fetched(corner).manifest
    get_or_build(corner.store, corner.settings, ENCODE, {"fetch": before}, build)
    after = fetched(corner, "other rows", force=True).manifest
    assert after.digest != before.digest
    finding = find(corner.store, ENCODE, {"fetch": after})
    assert (finding.state, finding.reason) == ("stale", "fetch was built anew with other bytes")
    again = get_or_build(corner.store, corner.settings, ENCODE, {"fetch": after}, build)
    assert again.state == "built"
    assert find(corner.store, ENCODE, {"fetch": after}).state == "sound"


def test_a_step_that_fails_leaves_nothing(corner: Corner) -> None:
    def fail(out: Path, _folders: Folders) -> dict[str, Any]:
        (out / "half").write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        get_or_build(corner.store, corner.settings, FETCH, {}, fail)
    assert corner.keys() == set()
    assert list(corner.settings.scratch.iterdir()) == []


def test_files_without_a_manifest_are_no_entry(corner: Corner) -> None:
    fetched(corner)
    corner.store.delete(f"{FETCH.folder}/{MANIFEST}")
    assert find(corner.store, FETCH, {}).state == "absent"


@pytest.mark.parametrize(
    ("facts", "counts"),
    [
        ({"steps": 690, "planned_steps": 690, "ended": "planned"}, True),
        ({"steps": 460, "planned_steps": 690, "ended": "early stop"}, True),
        ({"steps": 689, "planned_steps": 690, "ended": "planned"}, False),
        ({"steps": 689, "planned_steps": 690}, False),
        ({}, False),
    ],
)
def test_a_training_that_did_not_reach_its_end_never_counts(
    corner: Corner, facts: dict[str, Any], counts: bool
) -> None:
    """Whoever asks for the entry, to evaluate or to register, asks by this."""
    train = steps()[2]
    done = get_or_build(corner.store, corner.settings, FETCH, {}, build).manifest
    inputs = {"encode": get_or_build(corner.store, corner.settings, ENCODE, {"fetch": done}, build).manifest}

    def work(out: Path, _folders: Folders) -> dict[str, Any]:
        (out / "model.safetensors").write_text("weights")
        return facts

    if counts:
        get_or_build(corner.store, corner.settings, train, inputs, work)
    else:
        with pytest.raises(GlueflowError, match="did not reach its planned end"):
            get_or_build(corner.store, corner.settings, train, inputs, work)
    assert find(corner.store, train, inputs).state == ("sound" if counts else "absent")
