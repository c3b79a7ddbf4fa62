"""The collector: nothing that is needed ever goes, whatever the bucket looks like; all else goes once it is old."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.collect import Entry, Reach, Rules, Survey, Version, garbage
from tasks.core.s3 import Aged, Upload
from tasks.core.specs import STEPS

RULES = Rules(grace=5_000, keep=50_000)
AGES = st.sampled_from([0.0, 100.0, 4_999.0, 5_000.0, 49_999.0, 50_000.0, 1e6])
KEYS = [f"{number:x}" * 64 for number in range(8)]
T = TypeVar("T")
SUBSETS = st.frozensets(st.sampled_from(KEYS), max_size=3)


@dataclass
class Bucket:
    """A made-up bucket, and for every object what it means, told apart from its name."""

    objects: dict[str, Aged] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)  # manifests and records that cannot be read
    manifest_of: dict[str, str] = field(default_factory=dict)
    file_of: dict[str, str] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    checkpoint_of: dict[str, str] = field(default_factory=dict)
    lease_of: dict[str, str] = field(default_factory=dict)
    pin_of: dict[str, str] = field(default_factory=dict)
    runs: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    broken_runs: set[str] = field(default_factory=set)
    versions: dict[str, Version] = field(default_factory=dict)
    ledgers: dict[str, frozenset[str]] = field(default_factory=dict)
    quarantine: set[str] = field(default_factory=set)
    leftovers: set[str] = field(default_factory=set)
    reports: set[str] = field(default_factory=set)
    deleted: frozenset[str] = frozenset()
    uploads: list[Upload] = field(default_factory=list)
    upload_of: dict[str, str] = field(default_factory=dict)

    def survey(self) -> Survey:
        return Survey(
            objects=self.objects,
            uploads=tuple(self.uploads),
            entries=self.entries,
            versions=self.versions,
            runs=self.runs,
            ledgers=self.ledgers,
            unreadable=self.broken,
            deleted=self.deleted,
        )


@st.composite
def buckets(draw: st.DrawFn) -> Bucket:
    made = Bucket()
    inputs = {key: draw(SUBSETS) for key in KEYS}  # a key names its inputs, so whoever knows the key says the same

    def put(name: str) -> str:
        made.objects[name] = Aged(draw(st.integers(0, 9)), draw(AGES))
        return name

    for number, key in enumerate(KEYS):
        folder = f"steps/{STEPS[number % 5]}/{key}"
        files = [f"{folder}/{name * 16}/{name}.arrow" for name in "abc"]
        there = [put(name) for name in files if draw(st.booleans())]
        made.file_of |= dict.fromkeys(there, key)
        if draw(st.booleans()):
            manifest = put(f"{folder}/manifest.json")
            made.manifest_of[manifest] = key
            if draw(st.integers(0, 9)) == 0:
                made.broken[manifest] = "damaged"
            else:
                named = draw(st.frozensets(st.sampled_from(files)))
                made.named |= named
                made.entries[key] = Entry(inputs[key], dict.fromkeys(named, 1))
        for name in (f"checkpoints/{key}/00000010.json", f"checkpoints/{key}/{'d' * 16}/state"):
            if draw(st.integers(0, 3)) == 0:
                made.checkpoint_of[put(name)] = key
        if draw(st.integers(0, 5)) == 0:
            made.lease_of[put(f"leases/{key}.json")] = key
        if draw(st.integers(0, 9)) == 0:
            made.pin_of[put(f"pins/{key}.json")] = key
        if draw(st.integers(0, 9)) == 0:
            made.uploads.append(Upload(f"{folder}/{'e' * 16}/part", f"id{key[0]}", draw(AGES)))
            made.upload_of[f"id{key[0]}"] = key
    for number in range(draw(st.integers(0, 3))):
        name = put(f"runs/2026112{number}T000000.000000Z-abcdef.json")
        if draw(st.integers(0, 9)) == 0:
            made.broken[name] = "damaged"
            made.broken_runs.add(name)
        else:
            made.runs[name] = {key: inputs[key] for key in draw(SUBSETS)}
    for number in range(draw(st.integers(0, 2))):
        put(f"models/mrpc/versions/{number}/manifest.json")
        attached = put(f"models/mrpc/attached/{number}")
        made.leftovers.add(attached)
        there = [*sorted(made.file_of), attached]
        sources = draw(st.frozensets(st.sampled_from(there), max_size=2))
        made.versions[f"mrpc@{number}"] = Version(draw(SUBSETS), sources)
    made.deleted = draw(st.sampled_from([frozenset(), frozenset({"mrpc@7"}), frozenset({"mrpc@7", "rte@1"})]))
    for label in ("mrpc@7", "mrpc@77", "rte@1"):
        name, _, version = label.partition("@")
        for part in (f"versions/{version}/config.json", f"evidence/{version}/x.parquet", f"claims/{version}.json"):
            if draw(st.integers(0, 4)) == 0:
                left = put(f"models/{name}/{part}")
                made.leftovers |= {left} if label in made.deleted else set()
    for name in ("history/000001.json", "aliases/champion.json", "verdicts/7/a.json", "digests/7.json"):
        if draw(st.integers(0, 4)) == 0:
            put(f"models/mrpc/{name}")
    if draw(st.booleans()):
        made.ledgers[put("backfills/nightly/ledger.json")] = draw(SUBSETS)
    if draw(st.booleans()):
        made.quarantine.add(put(f"quarantine/steps/fetch/{KEYS[0]}/20261123T000000/manifest.json"))
    if draw(st.booleans()):
        made.reports.add(put("reports/mrpc@1/0123456789abcdef.html"))
    for name in (
        "notes.txt",
        "steps/notes.txt",
        f"steps/later/{KEYS[0]}/manifest.json",
        "leases/gc.json",
        "runs",
        "doctor/1",
    ):
        if draw(st.booleans()):
            put(name)
    return made


def needed_keys(bucket: Bucket) -> set[str]:
    """By definition: the roots, and again and again what those were made from."""
    age = {name: held.age for name, held in bucket.objects.items()}
    building = {key for name, key in bucket.lease_of.items() if age[name] < 5_000}
    recent = [
        planned
        for name, planned in bucket.runs.items()
        if age[name] < 50_000 or any(key in building for key in planned)
    ]
    found = set(building)
    found |= {key for name, key in bucket.manifest_of.items() if age[name] < 5_000}
    found |= set(bucket.pin_of.values())
    for keys in [*bucket.ledgers.values(), *(version.keys for version in bucket.versions.values()), *recent]:
        found |= set(keys)
    for _ in KEYS:
        for key in list(found):
            for planned in recent:
                found |= planned.get(key, frozenset())
            if key in bucket.entries:
                found |= bucket.entries[key].inputs
    return found


def must_stay(bucket: Bucket) -> set[str]:
    """Every object that somebody needs, that is young, or that is not the collector's."""
    age = {name: held.age for name, held in bucket.objects.items()}
    needed = needed_keys(bucket)
    building = {key for name, key in bucket.lease_of.items() if age[name] < 5_000}
    there = set(bucket.manifest_of.values())
    stay = {name for name in bucket.objects if age[name] < 5_000}
    stay |= {name for version in bucket.versions.values() for name in version.sources}
    stay |= {name for name, key in bucket.manifest_of.items() if key in needed}
    stay |= {name for name, key in bucket.file_of.items() if key in building}
    stay |= {
        name
        for name, key in bucket.file_of.items()
        if key in needed and key in there and (name in bucket.named or key not in bucket.entries)
    }
    finished = {key for name, key in bucket.manifest_of.items() if name.startswith("steps/finetune/")}
    stay |= {
        name for name, key in bucket.checkpoint_of.items() if key in building or (key in needed and key not in finished)
    }
    stay |= {
        name for name, planned in bucket.runs.items() if age[name] < 50_000 or any(key in building for key in planned)
    }
    stay |= {name for name in bucket.broken_runs | bucket.reports if age[name] < 50_000}
    ours = {*bucket.manifest_of, *bucket.file_of, *bucket.checkpoint_of, *bucket.lease_of, *bucket.runs}
    return stay | (
        bucket.objects.keys() - ours - bucket.broken_runs - bucket.quarantine - bucket.leftovers - bucket.reports
    )


@settings(max_examples=500)
@given(buckets())
def test_what_is_needed_stays_and_all_else_goes(bucket: Bucket) -> None:
    found = garbage(bucket.survey(), RULES)
    names = {item.name for item in found if item.upload is None}
    assert names == bucket.objects.keys() - must_stay(bucket)
    building = {key for name, key in bucket.lease_of.items() if bucket.objects[name].age < 5_000}
    assert {item.upload for item in found if item.upload} == {
        upload for upload in bucket.uploads if upload.age >= 5_000 and bucket.upload_of[upload.id] not in building
    }


@settings(max_examples=300)
@given(buckets())
def test_after_removal_there_is_nothing_more_to_remove(bucket: Bucket) -> None:
    gone = {item.name for item in garbage(bucket.survey(), RULES) if item.upload is None}
    manifests = {key for name, key in bucket.manifest_of.items() if name in gone}

    def left(held: Mapping[str, T]) -> dict[str, T]:
        return {name: value for name, value in held.items() if name not in gone}

    again = replace(
        bucket.survey(),
        objects=left(bucket.objects),
        uploads=(),
        entries={key: entry for key, entry in bucket.entries.items() if key not in manifests},
        runs=left(bucket.runs),
        unreadable=left(bucket.broken),
    )
    assert garbage(again, RULES) == ()


@given(buckets())
def test_a_record_that_cannot_be_read_blocks_while_it_may_protect_something(bucket: Bucket) -> None:
    needed = needed_keys(bucket)
    expected = {name for name in bucket.broken_runs if bucket.objects[name].age < 50_000}
    expected |= {name for name in bucket.broken if bucket.manifest_of.get(name) in needed}
    assert {line.partition(":")[0] for line in Reach(bucket.survey(), RULES).blockers()} == expected


@given(buckets())
def test_who_keeps_an_entry_is_told_for_all_that_are_kept_and_no_other(bucket: Bucket) -> None:
    assert Reach(bucket.survey(), RULES).users().keys() == needed_keys(bucket)


@pytest.mark.parametrize(("age", "goes"), [(3_599.0, False), (3_600.0, True)])
def test_without_a_grace_a_lease_still_lives_as_long_as_any_setting_lets_it(age: float, goes: bool) -> None:
    seen = Survey({f"leases/{KEYS[1]}.json": Aged(9, age), f"steps/fetch/{KEYS[1]}/{'a' * 16}/x": Aged(9, 1e6)})
    assert bool(garbage(seen, Rules(grace=0, keep=0))) is goes
