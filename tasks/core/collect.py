"""What nobody needs any more, decided by reachability over one immutable picture of the bucket. Pure: it asks nothing.

    garbage(survey, Rules(grace=86_400, keep=604_800))
      ->  (Garbage("steps/fetch/2e7d…/manifest.json", 512, "entry"), Garbage("quarantine/…", 90, "quarantine"), …)

Roots are the registry's unfinished claims and all versions but those that were deleted, recent runs, living leases,
pins, ledgers, and every entry younger than the grace. What a root was made from is reached through the identities in
manifests and run records. All else that this page knows the meaning of, and that is older than the grace, is garbage;
the rest is never touched.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from tasks.core.s3 import Aged, Upload
from tasks.core.specs import STEPS

Kind = Literal["entry", "stray", "checkpoint", "quarantine", "lease", "run", "report", "upload", "leftover"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WHY: dict[Kind, str] = {
    "entry": "no version, run, lease, pin or ledger leads to it",
    "stray": "a file that no manifest names, left by a killed or replaced build",
    "checkpoint": "its training is finished, or nothing leads to it",
    "quarantine": "damaged, and set aside",
    "lease": "its holder gave no sign of life",
    "run": "the record of a run that is no longer recent",
    "report": "no longer recent; `glueflow report` makes it again from the records",
    "leftover": "left of a version that was deleted, or made for a registration that never came",
    "upload": "a multipart upload that was never finished; its bytes are not known",
}
MANIFEST = "manifest.json"
KEY = "[0-9a-f]{64}"
ENTRY = re.compile(rf"steps/({'|'.join(STEPS)})/({KEY})/(.+)")
CHECKPOINT = re.compile(rf"checkpoints/({KEY})/.+")
LEASE = re.compile(rf"leases/({KEY})\.json")
PIN = re.compile(rf"pins/({KEY})\.json")
PART = re.compile(r"models/([^/]+)/(?:claims/(\d+)\.json|(?:versions|evidence)/(\d+)/.+)")
ATTACHED = re.compile(r"models/[^/]+/attached/.+")
LONGEST_LEASE = 3600.0  # seconds; the most that GLUEFLOW_LEASE may be
Keys = frozenset[str]


@dataclass(frozen=True)
class Rules:
    """Seconds by the store's clock: nothing younger than `grace` is removed, runs younger than `keep` are roots,
    and reports younger than that stay."""

    grace: float = 86_400.0
    keep: float = 604_800.0

    @property
    def lease(self) -> float:
        """Age up to which a lease counts as living, whatever its holder's settings."""
        return max(self.grace, LONGEST_LEASE)


@dataclass(frozen=True)
class Entry:
    """What a manifest says: the keys that it was made from, its objects with their sizes, when and how long."""

    inputs: Keys
    files: Mapping[str, int]
    created: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Version:
    """The keys that a version records; of one not carried out yet, also the objects that it is to be copied from, and
    of any those that were made for it alone."""

    keys: Keys
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Survey:
    """The bucket at one moment."""

    objects: Mapping[str, Aged]
    uploads: tuple[Upload, ...] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)  # by key
    versions: Mapping[str, Version] = field(default_factory=dict)  # "mrpc@3"
    runs: Mapping[str, Mapping[str, Keys]] = field(default_factory=dict)  # by object: planned keys and their inputs
    ledgers: Mapping[str, Keys] = field(default_factory=dict)  # by object
    unreadable: Mapping[str, str] = field(default_factory=dict)  # object that may be a root: what is wrong with it
    deleted: frozenset[str] = frozenset()  # "mrpc@2", by the model's history


@dataclass(frozen=True)
class Garbage:
    """An object, or an unfinished upload, that may go."""

    name: str
    size: int
    kind: Kind
    upload: Upload | None = None


def garbage(survey: Survey, rules: Rules) -> tuple[Garbage, ...]:
    """All that may go, by name."""
    reach = Reach(survey, rules)
    sources = {name for version in survey.versions.values() for name in version.sources}
    found = [
        Garbage(name, survey.objects[name].size, kind)
        for name in sorted(survey.objects)
        if survey.objects[name].age >= rules.grace and name not in sources and (kind := _kind(reach, name))
    ]
    found += [
        Garbage(upload.key, 0, "upload", upload)
        for upload in survey.uploads
        if upload.age >= rules.grace and built_key(upload.key) not in reach.living
    ]
    return tuple(found)


@dataclass(frozen=True)
class Reach:
    """What is needed, and by which root."""

    survey: Survey
    rules: Rules

    @cached_property
    def living(self) -> Keys:
        """Keys that somebody builds now."""
        leases = ((LEASE.fullmatch(name), held.age) for name, held in self.survey.objects.items())
        return Keys(match[1] for match, age in leases if match and age < self.rules.lease)

    @cached_property
    def recent(self) -> frozenset[str]:
        """Records of runs younger than `keep`, and of older ones that still build."""
        ages, keep = self.survey.objects, self.rules.keep
        return frozenset(
            name for name, keys in self.survey.runs.items() if ages[name].age < keep or self.living & keys.keys()
        )

    @cached_property
    def roots(self) -> dict[str, Keys]:
        """Every root by name, with the keys that it holds."""
        objects, grace = self.survey.objects, self.rules.grace
        manifests = ((ENTRY.fullmatch(name), held.age) for name, held in objects.items() if name.endswith(MANIFEST))
        pins = filter(None, map(PIN.fullmatch, objects))
        return {
            **{name: version.keys for name, version in self.survey.versions.items()},
            **{f"pin {match[1][:12]}": Keys([match[1]]) for match in pins},
            **{name.removesuffix(".json"): Keys(self.survey.runs[name]) for name in sorted(self.recent)},
            **self.survey.ledgers,
            "a living lease": self.living,
            "its age": Keys(match[2] for match, age in manifests if match and match[3] == MANIFEST and age < grace),
        }

    @cached_property
    def keys(self) -> Keys:
        """Every key that a root leads to."""
        return self._closure({key for keys in self.roots.values() for key in keys})

    def users(self) -> dict[str, list[str]]:
        """For every key that is reached, the roots that lead to it."""
        found: dict[str, list[str]] = {}
        for root, keys in self.roots.items():
            for key in self._closure(keys):
                found.setdefault(key, []).append(root)
        return found

    def blockers(self) -> list[str]:
        """One line for every damaged record that may be a root or lead on from one: what it protects is not known."""
        return [f"{name}: {wrong}" for name, wrong in sorted(self.survey.unreadable.items()) if self._matters(name)]

    def _matters(self, name: str) -> bool:
        if name.startswith("runs/"):
            return self.survey.objects[name].age < self.rules.keep
        key = built_key(name)
        return key is None or key in self.keys

    @cached_property
    def _edges(self) -> dict[str, Keys]:
        """What each key is made from."""
        planned = {key: inputs for name in self.recent for key, inputs in self.survey.runs[name].items()}
        return planned | {key: entry.inputs for key, entry in self.survey.entries.items()}

    def _closure(self, start: Iterable[str]) -> Keys:
        found, ahead = set[str](), list(start)
        while ahead:
            key = ahead.pop()
            if key not in found:
                found.add(key)
                ahead += self._edges.get(key, ())
        return Keys(found)


def built_key(name: str) -> str | None:
    """The key whose build writes the object, if it belongs to one."""
    if match := ENTRY.fullmatch(name):
        return match[2]
    match = CHECKPOINT.fullmatch(name)
    return match[1] if match else None


def version_of(name: str) -> str | None:
    """`mrpc@3` for an object that belongs to that version alone."""
    match = PART.fullmatch(name)
    return f"{match[1]}@{match[2] or match[3]}" if match else None


def _kind(reach: Reach, name: str) -> Kind | None:
    """As what an old object may go, or None if it has to stay or is nothing that we know."""
    survey = reach.survey
    if name.startswith("quarantine/"):
        return "quarantine"
    if name.startswith("models/"):
        return "leftover" if ATTACHED.fullmatch(name) or version_of(name) in survey.deleted else None
    if match := LEASE.fullmatch(name):
        return None if match[1] in reach.living else "lease"
    if name.startswith("reports/"):
        return "report" if survey.objects[name].age >= reach.rules.keep else None
    if name.startswith("runs/") and (name in survey.runs or name in survey.unreadable):
        return None if survey.objects[name].age < reach.rules.keep or name in reach.recent else "run"
    key = built_key(name)
    if key is None or key in reach.living:
        return None
    if CHECKPOINT.fullmatch(name):
        needed = key in reach.keys and f"steps/finetune/{key}/{MANIFEST}" not in survey.objects
        return None if needed else "checkpoint"
    manifest = "/".join([*name.split("/")[:3], MANIFEST])
    if manifest not in survey.objects:
        return "stray"
    if key not in reach.keys:
        return "entry"
    entry = survey.entries.get(key)
    return "stray" if entry and name != manifest and name not in entry.files else None
