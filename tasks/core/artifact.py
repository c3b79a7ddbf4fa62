"""Get or build: the entry of a step if it is there and sound, else the step's work, committed by its manifest.

    built = get_or_build(store, settings, planned, inputs, build)  # -> Outcome("built", manifest, 12.4, "never built")

The order of writes makes it safe: files first, each below its own digest; the manifest last, created once. A process
killed anywhere between leaves files that nobody refers to, never an entry that is half there.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tasks.core.cache import borrow, evict, keep
from tasks.core.errors import CommitUnknown, Damaged, GlueflowError, disk_error
from tasks.core.explain import explain
from tasks.core.files import entries
from tasks.core.hold import scratch_folder
from tasks.core.lease import Lease, exclusive
from tasks.core.manifest import Manifest, parse
from tasks.core.moving import Bytes
from tasks.core.plan import PlannedStep
from tasks.core.settings import Settings
from tasks.core.store import Store, object_key
from tasks.core.transfer import download

Facts = dict[str, Any]
Folders = Callable[[], dict[str, Path]]
Build = Callable[[Path, Folders], Facts]
Check = Callable[[Manifest], str | None]
MANIFEST = "manifest.json"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """What the store holds for a key: a sound entry, or the reason why it does not count; its manifest has that tag."""

    state: Literal["sound", "absent", "stale", "damaged"]
    reason: str = ""
    manifest: Manifest | None = None
    tag: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a step."""

    state: Literal["built", "reused"]
    manifest: Manifest
    seconds: float
    reason: str = ""


def find(store: Store, step: PlannedStep, inputs: Mapping[str, Manifest], check: Check | None = None) -> Finding:
    """Whether the step's entry counts: its manifest is well formed, its files are there with the recorded sizes, and
    it was made from the inputs as they are now. `check` may name more that is damaged. Writes nothing."""
    held = store.read(f"{step.folder}/{MANIFEST}")
    if held is None:
        return Finding("absent", "never built")
    body, tag = held
    found = parse(body, step.step, step.key)
    if isinstance(found, str):
        return Finding("damaged", found, tag=tag)
    sizes = store.sizes(step.folder + "/")
    for file in found.files:
        size = sizes.get(object_key(step.folder, file))
        if size != file.size:
            is_it = "is missing" if size is None else f"has {size} bytes instead of {file.size}"
            return Finding("damaged", f"{file.path} {is_it}", tag=tag)
    for name, manifest in inputs.items():
        if found.inputs.get(name) != manifest.digest:
            return Finding("stale", f"{name} was built anew with other bytes", found, tag)
    if check and (wrong := check(found)):
        return Finding("damaged", wrong, tag=tag)
    return Finding("sound", "", found, tag)


def get_or_build(
    store: Store,
    settings: Settings,
    step: PlannedStep,
    inputs: Mapping[str, Manifest],
    build: Build,
    force: bool = False,
    check: Check | None = None,
) -> Outcome:
    """The step's entry, reused or built. `build(out, folders)` fills `out` and returns the facts of the manifest;
    `folders()` gives the inputs' files on local disk, by step; they stay there until it is built."""
    start = time.monotonic()

    def done() -> bool:
        return not force and find(store, step, inputs, check).state == "sound"

    finding = find(store, step, inputs, check)
    if finding.manifest and finding.state == "sound" and not force:
        return Outcome("reused", finding.manifest, time.monotonic() - start)
    with exclusive(store, step.lease, settings.lease, done) as lease:
        if lease is None:
            return get_or_build(store, settings, step, inputs, build, force, check)  # another run has built it
        finding = find(store, step, inputs, check)  # what is replaced is what is there now, not before the wait
        reason = why(store, step, finding)
        log.info("%s %s is built: %s", step.step, step.key[:12], reason)
        if finding.state == "damaged":
            quarantine(store, step.folder, finding.reason, finding.tag)
        try:
            seen = "" if finding.state == "damaged" else finding.tag
            manifest = _build(store, settings, step, inputs, build, lease, seen)
        except OSError as error:
            raise disk_error(error, settings.home) from error
    evict(settings)
    return Outcome("built", manifest, time.monotonic() - start, reason)


def why(store: Store, step: PlannedStep, finding: Finding) -> str:
    """Why the step is built, in a few words."""
    if finding.state == "absent":
        return explain(store, step)
    return "forced" if finding.state == "sound" else finding.reason


def _build(
    store: Store,
    settings: Settings,
    step: PlannedStep,
    inputs: Mapping[str, Manifest],
    build: Build,
    lease: Lease,
    seen: str,
) -> Manifest:
    """Do the step's work in a scratch folder, upload its files and commit them, all while the lease is held."""
    start = time.monotonic()
    with ExitStack() as held, scratch_folder(settings.scratch, f"{step.step}-{step.key[:12]}") as scratch:

        def folders() -> dict[str, Path]:
            return {name: held.enter_context(local_copy(store, settings, made)) for name, made in inputs.items()}

        out = scratch / "out"
        out.mkdir()
        facts = build(out, folders)
        mine = Manifest(
            step=step.step,
            key=step.key,
            identity=step.identity,
            inputs={name: upstream.digest for name, upstream in inputs.items()},
            files=entries(out),
            facts=facts,
            seconds=round(time.monotonic() - start, 3),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if isinstance(wrong := parse(mine.encoded(), step.step, step.key), str):
            raise GlueflowError(f"{step.step}: what was built does not count: {wrong}")
        with keep(settings, _place(mine), out) as kept:
            upload(store, step.folder, mine, kept)
    lease.check()
    return commit(store, f"{step.folder}/{MANIFEST}", mine, seen)


def upload(store: Store, folder: str, manifest: Manifest, source: Path) -> None:
    """Put the manifest's files in the store, each below its own digest. One that is there is written again: it may be
    there with the right size and wrong bytes."""
    moving = Bytes("upload", {file.path: file.size for file in manifest.files})
    for file in manifest.files:
        store.upload(source / file.path, object_key(folder, file), file.sha256, partial(moving.at, file.path))
        moving.done(file.path)


def commit(store: Store, key: str, mine: Manifest, seen: str) -> Manifest:
    """Put the manifest where there was none, or in the place of the one with the tag that was seen there. If another
    run was first, and made its entry from the same inputs, that one is it; raises CommitUnknown if from others."""
    if store.swap(key, mine.encoded(), seen) if seen else store.created(key, mine.encoded()):
        return mine
    body = store.get(key)
    found = parse(body, mine.step, mine.key) if body else None
    if isinstance(found, Manifest) and found.inputs == mine.inputs:
        return found
    raise CommitUnknown(f"store: {store.uri(key)} was changed by another run meanwhile; try again")


def quarantine(store: Store, folder: str, reason: str, tag: str) -> None:
    """Set the damaged entry whose manifest has that tag aside with the reason, so that it no longer counts and can be
    looked into. One that another run has put in its place meanwhile stays."""
    held = store.read(f"{folder}/{MANIFEST}")
    if held and held[1] == tag:
        place = f"quarantine/{folder}/{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        store.put(f"{place}/{MANIFEST}", held[0])
        store.put(f"{place}/reason.txt", reason.encode())
        store.remove(f"{folder}/{MANIFEST}", tag)


def set_aside(store: Store, manifest: Manifest, reason: str) -> Damaged:
    """Quarantine the entry of that manifest, of which a file was found to be damaged; the error to raise. An entry that
    has been built in its place stays: what is wrong with the one need not be wrong with the other."""
    held = store.read(f"{manifest.folder}/{MANIFEST}")
    if held and held[0] == manifest.encoded():
        quarantine(store, manifest.folder, reason, held[1])
    return Damaged(f"store: the entry {store.uri(manifest.folder)} was damaged ({reason}) and set aside; run again")


def local_copy(store: Store, settings: Settings, manifest: Manifest) -> AbstractContextManager[Path]:
    """A folder on local disk with the entry's files, each checked against its SHA-256 now; downloaded if need be, and
    not removed within the block. A file that is damaged in the store sets the entry aside and raises Damaged."""

    def fetch(fresh: Path) -> None:
        wrong = download(store, fresh, {file: object_key(manifest.folder, file) for file in manifest.files})
        if wrong:
            raise set_aside(store, manifest, next(iter(wrong.values())))

    return borrow(settings, _place(manifest), manifest.files, fetch)


def _place(manifest: Manifest) -> str:
    return f"steps/{manifest.step}/{manifest.key}/{manifest.digest[:16]}"
