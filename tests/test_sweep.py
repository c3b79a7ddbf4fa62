"""The collector on a real bucket: what goes, what stays, and that neither a kill nor a run beside it does harm."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tasks.core import pins, registration, registry, runs, sweep
from tasks.core.artifact import Folders, find, get_or_build, quarantine
from tasks.core.collect import Rules, garbage
from tasks.core.errors import Damaged, GlueflowError, WrongRequest
from tasks.core.lookup import lookup
from tasks.core.manifest import Manifest
from tasks.core.plan import Plan
from tasks.core.registration import Candidate
from tasks.core.store import object_key
from tests.conftest import Corner

NOW = Rules(grace=0, keep=0)  # whatever no root leads to, at once
LEASE = 3.0
ELSEWHERE = json.dumps({"holder": "a", "term": 1, "beat": 0, "host": "elsewhere", "pid": 1}).encode()
Built = dict[str, Manifest]


def write(out: Path, _folders: Folders, content: str) -> dict[str, Any]:
    (out / "data.json").write_text(content)
    return {"steps": 1, "planned_steps": 1}


def walk(corner: Corner, planned: Plan) -> Built:
    """The entries of a run, as small as can be."""
    made: Built = {}
    for step in planned.steps:
        inputs = {name: made[name] for name in step.inputs}
        outcome = get_or_build(
            corner.store, corner.settings, step, inputs, lambda out, folders, key=step.key: write(out, folders, key)
        )
        made[step.step] = outcome.manifest
    return made


def register(corner: Corner, made: Mapping[str, Manifest]) -> registry.Version:
    trained = made["finetune"]
    files = {file.path: file for file in trained.files}
    sources = {path: object_key(f"steps/finetune/{trained.key}", file) for path, file in files.items()}
    record = {"metrics": {}, "steps": {name: made[name].key for name in ("finetune", "evaluate", "register")}}
    return registration.register(corner.store, "mrpc", Candidate(files, sources, record), "2026-11-23T00:00:00+00:00")


def states(corner: Corner, planned: Plan, made: Mapping[str, Manifest]) -> set[str]:
    return {find(corner.store, step, {name: made[name] for name in step.inputs}).state for step in planned.steps}


def recorded(corner: Corner) -> None:
    """Return once a run has written its record."""
    while not corner.keys("runs/"):
        time.sleep(0.01)


def collect(corner: Corner, rules: Rules = NOW) -> dict[str, str]:
    return {item.name: item.kind for item in sweep.collect(corner.store, rules, LEASE)}


def test_what_a_version_was_made_from_stays_and_the_rest_goes(corner: Corner, plans: tuple[Plan, Plan]) -> None:
    kept, lost = (walk(corner, planned) for planned in plans)
    register(corner, kept)
    store, key = corner.store, kept["finetune"].key
    quarantine_of = f"steps/encode/{'e' * 64}"
    tag = store.created(f"{quarantine_of}/manifest.json", b"{}")
    quarantine(store, quarantine_of, "damaged", str(tag))
    strays = {
        f"steps/finetune/{key}/{'0' * 16}/data.json": "stray",
        f"steps/fetch/{'f' * 64}/{'0' * 16}/data.json": "stray",
        f"checkpoints/{key}/00000010.json": "checkpoint",
        f"checkpoints/{key}/{'0' * 16}/state": "checkpoint",
    }
    for name in [*strays, "notes/mine.txt", f"steps/later/{key}/manifest.json", "models/mrpc/card.md"]:
        store.put(name, b"x")
    before = corner.keys()
    shared = {kept["fetch"].key, kept["encode"].key}
    own = {manifest.key for manifest in lost.values()} - shared
    expected = {name: "entry" for name in before if name.startswith("steps/") and name.split("/")[2] in own}
    expected |= strays | {name: "quarantine" for name in before if name.startswith("quarantine/")}

    seen = sweep.survey(store)
    assert {item.name: item.kind for item in garbage(seen, NOW)} == expected
    assert garbage(seen, Rules()) == ()  # nothing is older than a day
    assert corner.keys() == before
    assert collect(corner) == expected
    assert corner.keys() == before - expected.keys()
    assert collect(corner) == {}
    assert states(corner, plans[0], kept) == {"sound"}
    assert states(corner, plans[1], lost) == {"sound", "absent"}


def test_a_recent_run_keeps_what_it_set_out_to_do_and_goes_when_it_is_old(
    corner: Corner, plans: tuple[Plan, Plan]
) -> None:
    name = runs.begin(corner.store, plans[0], LEASE)
    made = walk(corner, plans[0])
    stray = f"{plans[0].steps[0].folder}/{'0' * 16}/killed"
    corner.store.put(stray, b"x")
    assert collect(corner, Rules(grace=0, keep=3600)) == {stray: "stray"}
    assert states(corner, plans[0], made) == {"sound"}
    assert collect(corner)[name] == "run"
    assert corner.keys() == set()


def test_a_saved_training_stays_until_its_run_is_forgotten(corner: Corner, plans: tuple[Plan, Plan]) -> None:
    run = runs.begin(corner.store, plans[0], LEASE)
    saved = f"checkpoints/{plans[0].steps[2].key}/00000010.json"
    corner.store.put(saved, b"{}")
    assert collect(corner, Rules(grace=0, keep=3600)) == {}
    assert collect(corner) == {run: "run", saved: "checkpoint"}


def test_a_pin_keeps_an_entry_and_what_it_was_made_from(corner: Corner, plans: tuple[Plan, Plan]) -> None:
    made = walk(corner, plans[0])
    encoded = made["encode"]
    pins.pin(corner.store, lookup(corner.store, encoded.key[:8]), "figures", LEASE)
    collect(corner)
    assert {name.split("/")[1] for name in corner.keys("steps/")} == {"fetch", "encode"}
    assert pins.unpin(corner.store, encoded.key[:8]) == encoded.key
    collect(corner)
    assert corner.keys() == set()


@pytest.mark.parametrize("body", ['{"slots": [{"key": "%s", "state": "planned"}]}', '{"%s": 1}\n{"x": 2}\n'])
def test_a_ledger_keeps_the_keys_that_it_names(corner: Corner, plans: tuple[Plan, Plan], body: str) -> None:
    made = walk(corner, plans[0])
    corner.store.put("backfills/nightly/ledger.json", (body % made["encode"].key).encode())
    collect(corner)
    assert {name.split("/")[1] for name in corner.keys("steps/")} == {"fetch", "encode"}


def test_a_claim_of_a_dead_writer_can_still_be_carried_out(
    corner: Corner, plans: tuple[Plan, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = walk(corner, plans[0])

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registration, "complete", die)
        with pytest.raises(KeyboardInterrupt):
            register(corner, made)
    collect(corner)
    assert registry.versions(corner.store, "mrpc") == []
    assert register(corner, made).version == 1
    assert registry.missing(corner.store, "mrpc", 1) is None


def test_nothing_goes_while_a_record_cannot_be_read(corner: Corner, plans: tuple[Plan, Plan]) -> None:
    walk(corner, plans[0])
    corner.store.put("runs/20261123T000000.000000Z-abcdef.json", b'{"steps": [')
    before = corner.keys()
    with pytest.raises(Damaged, match=r"runs/20261123T000000\.000000Z-abcdef\.json"):
        collect(corner, Rules(grace=0, keep=3600))
    assert corner.keys() == before
    collect(corner)  # it is too old to protect anything
    assert corner.keys() == set()


def test_a_damaged_manifest_on_the_way_is_not_taken_for_an_end(corner: Corner, plans: tuple[Plan, Plan]) -> None:
    made = walk(corner, plans[0])
    register(corner, made)
    corner.store.put(f"{plans[0].steps[1].folder}/manifest.json", b"{}")
    with pytest.raises(Damaged, match="verify --repair"):
        collect(corner)
    assert find(corner.store, plans[0].steps[0], {}).state == "sound"


def test_a_damaged_version_is_known_by_its_claim(corner: Corner, plans: tuple[Plan, Plan]) -> None:
    made = walk(corner, plans[0])
    register(corner, made)
    corner.store.put("models/mrpc/versions/1/manifest.json", b"{}")
    assert collect(corner) == {}
    corner.store.put("models/mrpc/claims/1.json", b"{}")
    with pytest.raises(Damaged, match="models/mrpc"):
        collect(corner)


def test_an_unfinished_upload_is_given_up_once_it_is_old(corner: Corner) -> None:
    def begin(name: str) -> None:
        client, whole = corner.store.client, f"{corner.prefix}/{name}"
        upload = client.create_multipart_upload(Bucket=corner.store.bucket, Key=whole)["UploadId"]
        client.upload_part(Bucket=corner.store.bucket, Key=whole, UploadId=upload, PartNumber=1, Body=b"x" * 6_000_000)

    stale, other = f"steps/finetune/{'a' * 64}/{'0' * 16}/model.safetensors", "elsewhere/file"
    begin(stale)
    begin(other)
    assert collect(corner, Rules(grace=3600, keep=0)) == {}
    assert collect(corner) == {stale: "upload"}
    assert [upload.key for upload in corner.store.uploads()] == [other]
    assert collect(corner) == {}


def test_a_pin_of_what_is_not_there_is_refused(corner: Corner, plans: tuple[Plan, Plan]) -> None:
    runs.begin(corner.store, plans[0], LEASE)
    with pytest.raises(WrongRequest, match="is not there"):
        pins.pin(corner.store, lookup(corner.store, plans[0].steps[0].key), "early", LEASE)
    with pytest.raises(WrongRequest, match="no entry and no recent run"):
        lookup(corner.store, "abcdef")
    assert corner.keys("pins/") == set()


def test_many_objects_go_with_few_requests(corner: Corner) -> None:
    names = [f"quarantine/steps/fetch/{number}/reason.txt" for number in range(1_200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: corner.store.put(name, b"x"), names))
    assert len(collect(corner)) == 1_200
    assert corner.keys() == set()


def test_a_store_that_refuses_one_removal_is_heard(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> dict[str, Any]:
        return {"Errors": [{"Key": "quarantine/a", "Code": "AccessDenied", "Message": "no"}]}

    corner.store.put("quarantine/a", b"x")
    monkeypatch.setattr(corner.store.client, "delete_objects", refuse)
    with pytest.raises(GlueflowError, match=r"quarantine/a.*AccessDenied"):
        collect(corner)
