"""What the records say of one finished run: its task, and the manifest of each of its steps.

    of_version(store, registry.find(store, "mrpc@3"))  ->  Made(version, glue_task("mrpc"), {"fetch": …, …})

Only what the bucket holds is read, nothing is written, and no run is needed to be under way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tasks.core import history, provenance, registry, runs
from tasks.core.catalog import GlueTask
from tasks.core.errors import BadData, Damaged
from tasks.core.manifest import Manifest, parse
from tasks.core.registry import Version
from tasks.core.specs import STEPS
from tasks.core.store import Store
from tasks.data.definition import recorded

CHAMPION = "champion"
REMEMBERED = 500  # runs, the newest, of which it is asked which steps they wanted


@dataclass(frozen=True)
class Made:
    """A version with the entries that it was made from, by step."""

    version: Version
    task: GlueTask
    entries: Mapping[str, Manifest]

    @property
    def label(self) -> str:
        return self.version.label

    @property
    def scores(self) -> Mapping[str, Any]:
        """What the evaluation found: metrics, intervals, majority, examples."""
        return self.entries["evaluate"].facts

    @property
    def synthetic(self) -> bool:
        return bool(self.entries["fetch"].facts["synthetic"])


def of_version(store: Store, version: Version) -> Made:
    """The version and its entries; raises BadData if one that a report needs is not there any more."""
    keys = version.record["steps"]
    last = {step: _entry(store, version, step, keys[step]) for step in ("finetune", "evaluate")}
    entries = provenance.entries(store, last)
    if gone := [step for step in STEPS[:4] if step not in entries]:
        raise _gone(version, gone[0])
    body = store.get(f"steps/register/{keys['register']}/manifest.json")
    registered = parse(body, "register", keys["register"]) if body else None
    if isinstance(registered, Manifest):
        entries["register"] = registered
    return Made(version, recorded(version.record), entries)


def _entry(store: Store, version: Version, step: str, key: str) -> Manifest:
    body = store.get(f"steps/{step}/{key}/manifest.json")
    if body is None:
        raise _gone(version, step)
    found = parse(body, step, key)
    if isinstance(found, str):
        raise Damaged(f"report: the entry of {step}, from which {version.label} was made: {found}; run it again")
    return found


def _gone(version: Version, step: str) -> BadData:
    return BadData(f"report: the entry of {step}, from which {version.label} was made, is gone; run its pipeline again")


def champion(store: Store, name: str) -> tuple[Version, Mapping[str, Any]] | None:
    """The model's champion, and its intervals by metric while its evaluation is there; None if it has none."""
    number = history.state(store, name).aliases.get(CHAMPION)
    if number is None:
        return None
    version = registry.load(store, name, number)
    key = version.record["steps"]["evaluate"]
    body = store.get(f"steps/evaluate/{key}/manifest.json")
    found = parse(body, "evaluate", key) if body else None
    return version, found.facts["intervals"] if isinstance(found, Manifest) else {}


def asked(store: Store, keys: Iterable[str]) -> dict[str, int]:
    """How many of the newest runs on record wanted each of the entries."""
    times = dict.fromkeys(keys, 0)
    for _, body in islice(runs.records(store), REMEMBERED):
        try:
            wanted = {step.key for step in runs.parse(body).steps}
        except Damaged:
            continue  # it protects nothing and is told of by the collector
        for key in times.keys() & wanted:
            times[key] += 1
    return times
