"""The collector at work: a picture of the bucket, and the removal of what `tasks/core/collect.py` calls garbage.

    collect(store, Rules(grace=86_400, keep=604_800), lease=30.0)  ->  [Garbage("leases/2e7d….json", 96, "lease"), …]

Runs that start while it is at work wait (tasks/core/runs.py), and before every removal it proves that it still holds
`leases/gc.json`, which a run takes from a collector that stands still.

A manifest goes before the files that it names, so that what can be seen is whole at every moment. Files in a folder
where a run may yet build go while the collector holds the lease of that key, if the manifest still does not name them.
"""

import json
import os
import re
import socket
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from pydantic import ValidationError

from tasks.core import history, registry, runs
from tasks.core.collect import (
    ATTACHED,
    ENTRY,
    KEY,
    MANIFEST,
    Entry,
    Garbage,
    Keys,
    Kind,
    Reach,
    Rules,
    Survey,
    Version,
    built_key,
    garbage,
    version_of,
)
from tasks.core.errors import BadData, Damaged
from tasks.core.keys import digest
from tasks.core.lease import Claim, Lease, exclusive
from tasks.core.manifest import Manifest
from tasks.core.progress import Progress, report
from tasks.core.store import Store, object_key

PREFIXES = ("steps/", "checkpoints/", "leases/", "models/", "runs/", "pins/", "backfills/", "quarantine/")
WRITTEN_IN_PARTS = ("steps/", "checkpoints/", "models/", "quarantine/")
REGISTERED = re.compile(r"models/[^/]+/(?:claims/\d+\.json|versions/\d+/manifest\.json)")
HISTORY = re.compile(r"models/([^/]+)/history/(\d{6})\.json")
BATCH = 500  # objects removed with one request
THREADS = 16
GUARDED: tuple[Kind, ...] = ("stray", "checkpoint")  # a run may write such a file again, and name it
REMEDY = "set a damaged entry aside with `glueflow cache verify --repair`, delete any other damaged record by hand"


def survey(store: Store) -> Survey:
    """What the bucket holds, and what its records say. Other prefixes than ours are not even listed."""
    with ThreadPoolExecutor(len(PREFIXES)) as pool:
        objects = {name: held for found in pool.map(store.ages, PREFIXES) for name, held in found.items()}
        uploads = tuple(upload for found in pool.map(store.uploads, WRITTEN_IN_PARTS) for upload in found)
    wanted = [name for name in objects if _is_record(name)]
    bodies = _bodies(store, wanted)
    for name in set(wanted) - bodies.keys():
        del objects[name]  # gone since it was listed
    unreadable: dict[str, str] = {}
    entries: dict[str, Entry] = {}
    planned: dict[str, dict[str, Keys]] = {}
    for name, body in bodies.items():
        try:
            if match := ENTRY.fullmatch(name):
                entries[match[2]] = _entry(body, match[1], match[2])
            elif name.startswith(runs.RUNS):
                planned[name] = {step.key: _inputs(step.identity) for step in runs.parse(body).steps}
        except Damaged as error:
            unreadable[name] = str(error)
    deleted = _deleted(store, objects)
    kept = {name: body for name, body in bodies.items() if _number(name) and _number(name) not in deleted}
    versions, damaged = _versions(kept)
    return Survey(
        objects=objects,
        uploads=uploads,
        entries=entries,
        versions=versions,
        deleted=deleted,
        runs=planned,
        ledgers={
            name: Keys(found.decode() for found in re.findall(rb"\b[0-9a-f]{64}\b", body))
            for name, body in bodies.items()
            if name.startswith("backfills/")
        },
        unreadable=unreadable | damaged,
    )


def _is_record(name: str) -> bool:
    match = ENTRY.fullmatch(name)
    return bool(match and match[3] == MANIFEST) or name.startswith((runs.RUNS, "backfills/")) or _number(name) != ""


def _bodies(store: Store, names: Sequence[str]) -> dict[str, bytes]:
    """The bytes of those that are still there."""
    found: dict[str, bytes] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for done, (name, body) in enumerate(zip(names, pool.map(store.get, names), strict=True), 1):
            if body is not None:
                found[name] = body
            report(Progress("look", done, len(names), "records"))
    return found


def _entry(body: bytes, step: str, key: str) -> Entry:
    """What a manifest leads to. One that is not finished counts for nobody, and still says what it was made from."""
    try:
        found = Manifest.model_validate_json(body)
        if (found.step, found.key, digest(found.identity)) != (step, key, key):
            raise Damaged("the manifest names another entry")
    except ValidationError as error:
        raise Damaged(f"the manifest is damaged: {error.errors()[0]['msg']}") from None
    except (TypeError, ValueError) as error:
        raise Damaged(f"the manifest is damaged: {error}") from None
    files = {object_key(f"steps/{step}/{key}", file): file.size for file in found.files}
    return Entry(_inputs(found.identity), files, found.created, found.seconds)


def _inputs(identity: dict[str, object]) -> Keys:
    """The keys that an identity was made from."""
    inputs = identity.get("inputs")
    return Keys(map(str, inputs.values())) if isinstance(inputs, dict) else Keys()


def _number(name: str) -> str:
    """`mrpc@3` for a claim or the manifest of that version, else nothing."""
    return version_of(name) or "" if REGISTERED.fullmatch(name) else ""


def _deleted(store: Store, objects: Iterable[str]) -> frozenset[str]:
    """Versions that the newest entry of their model's history calls deleted; none by one that is not to be trusted."""
    newest = {match[1]: int(match[2]) for match in map(HISTORY.fullmatch, sorted(objects)) if match}
    found: set[str] = set()
    for model, number in newest.items():
        with suppress(BadData):
            body = store.get(history.place(model, number)) or b""
            found |= {f"{model}@{version}" for version in history.parse(model, number, body).deleted}
    return frozenset(found)


def _versions(bodies: dict[str, bytes]) -> tuple[dict[str, Version], dict[str, str]]:
    """What every version holds, by its manifest or else its claim; and, by object, those of which neither is sound."""
    found: dict[str, Version] = {}
    wrong: dict[str, tuple[str, str]] = {}
    for name, body in sorted(bodies.items(), reverse=True):  # versions/ before claims/
        label = _number(name)
        try:
            record = registry.Version.model_validate_json(body)
        except ValidationError as error:
            wrong[label] = (name, f"the record is damaged: {error.errors()[0]['msg']}")
            continue
        if label not in found:
            keys = Keys(re.findall(rf"\b{KEY}\b", json.dumps(record.record.get("steps", {}))))
            sources = frozenset(record.sources.values())
            own = frozenset(source for source in sources if ATTACHED.fullmatch(source))
            found[label] = Version(keys, own if "/versions/" in name else sources)
    return found, dict(reason for label, reason in wrong.items() if label not in found)


def collect(store: Store, rules: Rules, lease: float) -> list[Garbage]:
    """Remove what may go and return it; raises Damaged, and removes nothing, if a record that may protect something
    cannot be read."""
    with exclusive(store, runs.COLLECTOR, lease, lambda: False) as held:
        assert held  # noqa: S101  # nobody else can have done it already
        seen = survey(store)
        if blocked := Reach(seen, rules).blockers():
            raise Damaged(f"store: nothing is removed while it is unknown what {blocked[0]} protects; {REMEDY}")
        return remove(store, held, lease, garbage(seen, rules))


def remove(store: Store, held: Lease, lease: float, found: Sequence[Garbage]) -> list[Garbage]:
    """Remove the garbage and return what went; what somebody builds now stays. Safe to stop and to repeat."""
    guarded: defaultdict[str, list[Garbage]] = defaultdict(list)
    for item in found:
        if item.kind in GUARDED:
            guarded[built_key(item.name) or ""].append(item)
    free = [item for item in found if item.kind not in GUARDED and item.upload is None]
    free.sort(key=lambda item: (item.kind != "lease", not item.name.endswith(f"/{MANIFEST}")))
    gone: list[Garbage] = []

    def told(items: Sequence[Garbage]) -> None:
        gone.extend(items)
        report(Progress("remove", len(gone), len(found), "objects"))

    for start in range(0, len(free), BATCH):
        told(_delete(store, held, free[start : start + BATCH]))
    for key, items in guarded.items():
        told(_remove_guarded(store, held, lease, key, items))
    for item in found:
        if item.upload:
            held.check()
            store.abort(item.upload)
            told([item])
    return gone


def _delete(store: Store, held: Lease, items: Sequence[Garbage]) -> Sequence[Garbage]:
    held.check()
    store.delete_all([item.name for item in items])
    return items


def _remove_guarded(store: Store, held: Lease, lease: float, key: str, items: Sequence[Garbage]) -> Sequence[Garbage]:
    """Remove them unless somebody builds the key now, or has finished it with one of them."""

    def built_by_another() -> bool:
        body = store.get(f"leases/{key}.json")
        return body is not None and not _is_ours(body)

    with exclusive(store, f"leases/{key}.json", lease, built_by_another) as mine:
        if mine is None:
            return []
        named = _named(store, {folder for item in items if (folder := _folder(item.name))})
        return [
            item
            for start in range(0, len(items), BATCH)
            for item in _delete(store, held, [i for i in items[start : start + BATCH] if i.name not in named])
        ]


def _is_ours(body: bytes) -> bool:
    """Whether this process wrote the lease; one that is damaged is somebody else's."""
    try:
        claim = Claim(**json.loads(body))
    except (ValueError, TypeError):
        return False
    return (claim.host, claim.pid) == (socket.gethostname(), os.getpid())


def _folder(name: str) -> str | None:
    match = ENTRY.fullmatch(name)
    return f"steps/{match[1]}/{match[2]}" if match else None


def _named(store: Store, folders: Iterable[str]) -> frozenset[str]:
    """Objects that the manifests of these folders name now."""
    found: set[str] = set()
    for folder in folders:
        if body := store.get(f"{folder}/{MANIFEST}"):
            _, step, key = folder.split("/")
            found |= _entry(body, step, key).files.keys()
    return frozenset(found)
