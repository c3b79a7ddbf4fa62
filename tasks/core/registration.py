"""How a version comes to be: dense numbers, one version a content, however many write at once.

    models/mrpc/claims/3.json           what version 3 will hold, created once: the number is taken
    models/mrpc/digests/<content>.json  {"version": 3}: the same content is never registered twice
    models/mrpc/attached/<sha256>       the bytes of a file that was made for this registration, such as provenance.json

Numbers stay dense because nobody waits for a dead writer: whoever finds a claim without its manifest *completes* it
(copies inside the store from immutable objects, the same bytes whoever does it) and only then takes the next number.
The content's marker is written before the manifest, so that a writer that sees version n finished also sees its marker.
The number of a version that was deleted is never given again.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasks.core import history, signing
from tasks.core.errors import BadData, Unavailable, WrongRequest
from tasks.core.files import FileEntry, content_digest
from tasks.core.manifest import Manifest
from tasks.core.moving import Bytes
from tasks.core.registry import MANIFEST, REGISTRABLE, Version, load, missing, present
from tasks.core.store import Absent, Store


@dataclass(frozen=True)
class Candidate:
    """What is to be registered. `sources` maps the path of each file to an immutable object that holds it, and
    `evidence/<path>` likewise; `attached` are bytes that tell of this registration, beside the files."""

    files: Mapping[str, FileEntry]
    sources: Mapping[str, str]
    record: dict[str, Any]
    evidence: Mapping[str, FileEntry] = field(default_factory=dict)
    attached: Mapping[str, bytes] = field(default_factory=dict)


def register(store: Store, name: str, candidate: Candidate, now: str) -> Version:
    """The version that holds these files, new or already there."""
    for path in (*candidate.files, *candidate.attached):
        if not REGISTRABLE.fullmatch(path) or path == MANIFEST:
            raise WrongRequest.of(
                "file", path, "a registered folder holds *.safetensors, *.json, *.txt, *.md, *.png and *.model"
            )
    content = content_digest(candidate.files.values())
    made: Version | None = None
    while True:
        gone, there = history.state(store, name).deleted, present(store, name)
        number = _number_of(store, name, content, gone, there)
        if number is None and made is None:
            made = _described(store, name, candidate, content, now)
        taken = number or max(gone | {*there}, default=0) + 1
        mine = made.model_copy(update={"version": taken}) if made else None
        claim = f"models/{name}/claims/{taken}.json"
        if mine is None or not store.create(claim, mine.encoded()):
            mine = _claimed(store, name, taken)
        complete(store, mine)
        if mine.content == content and taken not in history.state(store, name).deleted:
            return mine


def _described(store: Store, name: str, candidate: Candidate, content: str, now: str) -> Version:
    """The version but for its number, once what is attached lies where it can be copied from."""
    extra, sources = [], dict(candidate.sources)
    for path, body in candidate.attached.items():
        sha256 = hashlib.sha256(body).hexdigest()
        sources[path] = f"models/{name}/attached/{sha256}"
        store.put(sources[path], body)
        extra.append(FileEntry(path=path, size=len(body), sha256=sha256))
    return Version(
        name=name,
        version=1,
        content=content,
        created=now,
        record=candidate.record,
        files=(*candidate.files.values(), *extra),
        sources=sources,
        attached=tuple(candidate.attached),
        evidence=tuple(candidate.evidence.values()),
    )


def _number_of(store: Store, name: str, content: str, gone: frozenset[int], there: list[int]) -> int | None:
    """The number that the content's marker gives it; if the marker is damaged, or that of a deleted version, the one
    under which it is there."""
    marker = store.get(f"models/{name}/digests/{content}.json")
    if marker is None:
        return None
    with suppress(ValueError, TypeError, KeyError):  # damaged: the marker, or the claim that it leads to
        number = int(json.loads(marker)["version"])
        claim = store.get(f"models/{name}/claims/{number}.json")
        if claim and number not in gone and Version.model_validate_json(claim).content == content:
            return number
    left = (number for number in there if number not in gone)
    return next((number for number in left if load(store, name, number).content == content), None)


def _claimed(store: Store, name: str, number: int) -> Version:
    """What the number was claimed for. A damaged claim is put right from the version's manifest: they are the same."""
    key = f"models/{name}/claims/{number}.json"
    body = store.get(key)
    if body is None and number not in present(store, name):
        raise Unavailable(f"store: {store.uri(key)} vanished while it was read; try again")
    with suppress(ValidationError):
        if body is not None:
            return Version.model_validate_json(body)
    if number not in present(store, name):
        raise BadData(f"model: {store.uri(key)} is damaged and its version is not there; remove it")
    found = load(store, name, number)
    store.put(key, found.encoded())
    return found


def complete(store: Store, version: Version) -> None:
    """Carry out a claim: its files, its marker, its manifest. Safe to repeat and to do twice at once."""
    proofs = f"models/{version.name}/evidence/{version.version}/"
    there = store.sizes(version.folder + "/") | (store.sizes(proofs) if version.evidence else {})
    moving = Bytes("register", {target: file.size for target, file in version.objects.items()})
    for target, file in version.objects.items():
        if there.get(target) != file.size:
            source = version.sources[f"evidence/{file.path}" if target.startswith(proofs) else file.path]
            try:
                store.copy(source, target, file.size, partial(moving.at, target))
            except Absent as error:
                claim = store.uri(f"models/{version.name}/claims/{version.version}.json")
                raise BadData(f"model: what {claim} is to hold is gone ({error}); remove that claim") from error
        moving.done(target)
    marker = json.dumps({"version": version.version}).encode()
    _settle(store, f"models/{version.name}/digests/{version.content}.json", marker)
    _settle(store, f"{version.folder}/{MANIFEST}", version.encoded())


def _settle(store: Store, key: str, body: bytes) -> None:
    """Create what the claim says; anything else that is there is damage, for all who complete it write the same."""
    if not store.create(key, body):
        store.put(key, body)


def lacking(store: Store, manifest: Manifest, key: Path | None = None) -> str | None:
    """What the registered version lacks, or None; a step is only reused while its version is whole, and signed if
    there is a key to sign it."""
    name, number = manifest.facts["name"], manifest.facts["version"]
    if wrong := missing(store, name, number):
        return wrong
    signed = not key or store.get(f"models/{name}/versions/{number}/{signing.SIGNATURE}")
    return None if signed else f"{name}@{number} is not signed"
