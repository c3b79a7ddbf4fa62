"""Which checkpoints there are: immutable versions 1, 2, 3, … of named models, on plain object storage.

    models/mrpc/claims/3.json          what version 3 will hold, created once: the number is taken
    models/mrpc/digests/<content>.json  {"version": 3}: the same content is never registered twice
    models/mrpc/versions/3/…           a plain `from_pretrained` folder, and manifest.json, written last

Numbers stay dense because nobody waits for a dead writer: whoever finds a claim without its manifest *completes* it
(copies inside the store from immutable objects, the same bytes whoever does it) and only then takes the next number.
The content's marker is written before the manifest, so that a writer that sees version n finished also sees its marker.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from tasks.core.errors import BadData, Damaged, Denied, Unavailable, WrongRequest
from tasks.core.files import SHA256, FileEntry, content_digest
from tasks.core.progress import Progress, report
from tasks.core.sealed import Sealed
from tasks.core.specs import NAME
from tasks.core.store import Absent, Store
from tasks.core.transfer import download

REGISTRABLE = re.compile(r"^[\w.-]+\.(safetensors|json|txt|md|model)$")
MANIFEST = "manifest.json"


class Version(Sealed):
    """One version of a model: what it is, what it was made from, and every file with its digest."""

    name: Annotated[str, Field(pattern=NAME)]
    version: Annotated[int, Field(ge=1)]
    content: Annotated[str, Field(pattern=SHA256)]
    created: str
    record: dict[str, Any]
    files: tuple[FileEntry, ...]
    sources: dict[str, str]

    @property
    def folder(self) -> str:
        return f"models/{self.name}/versions/{self.version}"


def register(
    store: Store,
    name: str,
    files: Mapping[str, FileEntry],
    sources: Mapping[str, str],
    record: dict[str, Any],
    now: str,
) -> Version:
    """The version that holds these files, new or already there. `sources` maps each path to an immutable object."""
    for path in files:
        if not REGISTRABLE.match(path):
            raise WrongRequest.of(
                "file", path, "a registered folder holds *.safetensors, *.json, *.txt, *.md and *.model"
            )
    content = content_digest(files.values())
    while True:
        newest = max(versions(store, name), default=0)
        number = _number_of(store, name, content) or newest + 1
        mine = Version(
            name=name,
            version=number,
            content=content,
            created=now,
            record=record,
            files=tuple(files.values()),
            sources=dict(sources),
        )
        claim = f"models/{name}/claims/{number}.json"
        if not store.create(claim, mine.encoded()):
            mine = _claimed(store, name, number)
        complete(store, mine)
        if mine.content == content:
            return mine


def _number_of(store: Store, name: str, content: str) -> int | None:
    """The number that the content's marker gives it; if the marker is damaged, the one under which it is there."""
    marker = store.get(f"models/{name}/digests/{content}.json")
    if marker is None:
        return None
    with suppress(ValueError, TypeError, KeyError):  # damaged: the marker, or the claim that it leads to
        number = int(json.loads(marker)["version"])
        claim = store.get(f"models/{name}/claims/{number}.json")
        if claim and Version.model_validate_json(claim).content == content:
            return number
    there = versions(store, name)
    return next((number for number in there if load(store, name, number).content == content), None)


def _claimed(store: Store, name: str, number: int) -> Version:
    """What the number was claimed for. A damaged claim is put right from the version's manifest: they are the same."""
    key = f"models/{name}/claims/{number}.json"
    body = store.get(key)
    if body is None:
        raise Unavailable(f"store: {store.uri(key)} vanished while it was read; try again")
    try:
        return Version.model_validate_json(body)
    except ValidationError:
        if number not in versions(store, name):
            raise BadData(f"model: {store.uri(key)} is damaged and its version is not there; remove it") from None
    found = load(store, name, number)
    store.put(key, found.encoded())
    return found


def complete(store: Store, version: Version) -> None:
    """Carry out a claim: its files, its marker, its manifest. Safe to repeat and to do twice at once."""
    there = store.sizes(version.folder + "/")
    total = sum(file.size for file in version.files)
    done = 0
    for file in version.files:
        target = f"{version.folder}/{file.path}"
        if there.get(target) != file.size:
            try:
                store.copy(version.sources[file.path], target)
            except Absent as error:
                claim = store.uri(f"models/{version.name}/claims/{version.version}.json")
                raise BadData(f"model: what {claim} is to hold is gone ({error}); remove that claim") from error
        done += file.size
        report(Progress("register", done, total, "bytes"))
    marker = json.dumps({"version": version.version}).encode()
    _settle(store, f"models/{version.name}/digests/{version.content}.json", marker)
    _settle(store, f"{version.folder}/{MANIFEST}", version.encoded())


def _settle(store: Store, key: str, body: bytes) -> None:
    """Create what the claim says; anything else that is there is damage, for all who complete it write the same."""
    if not store.create(key, body):
        store.put(key, body)


def versions(store: Store, name: str) -> list[int]:
    """Numbers of the finished versions, ascending."""
    prefix = f"models/{name}/versions/"
    found = (key.removeprefix(prefix) for key in store.sizes(prefix) if key.endswith(f"/{MANIFEST}"))
    return sorted(int(key.partition("/")[0]) for key in found)


def missing(store: Store, name: str, number: int) -> str | None:
    """What the version lacks (its manifest, or a file at its recorded size), or None."""
    try:
        version = load(store, name, number)
    except (WrongRequest, BadData) as error:
        return str(error)
    there = store.sizes(version.folder + "/")
    for file in version.files:
        if there.get(f"{version.folder}/{file.path}") != file.size:
            return f"{file.path} of {name}@{number} is missing or has another size"
    return None


def load(store: Store, name: str, number: int) -> Version:
    """The version's manifest; raises WrongRequest if there is none, BadData if it is not to be trusted."""
    body = store.get(f"models/{name}/versions/{number}/{MANIFEST}")
    if body is None:
        there = ", ".join(map(str, versions(store, name))) or "none"
        raise WrongRequest.of("model", f"{name}@{number}", f"versions of {name}: {there}")
    try:
        found = Version.model_validate_json(body)
    except ValidationError as error:
        raise BadData(f"model: the manifest of {name}@{number} is damaged: {error.errors()[0]['msg']}") from None
    if (found.name, found.version, content_digest(found.files)) != (name, number, found.content):
        raise BadData(f"model: the manifest of {name}@{number} does not describe that version")
    return found


def names(store: Store) -> list[str]:
    """Every model's name."""
    return sorted(store.folders("models/"))


def find(store: Store, reference: str) -> Version:
    """The version that `name`, `name@latest` or `name@3` stands for; raises WrongRequest if there is none."""
    asked = re.fullmatch(NAME[1:-1] + r"(?:@(latest|[1-9][0-9]{0,8}))?", reference)
    if not asked:
        raise WrongRequest.of("model", reference, "write <name>, <name>@latest or <name>@<version>")
    name, _, which = reference.partition("@")
    if which.isdigit():
        return load(store, name, int(which))
    there = versions(store, name)
    if not there:
        raise WrongRequest.of("model", reference, f"models in the registry: {', '.join(names(store)) or 'none'}")
    return load(store, name, there[-1])


def pull(store: Store, version: Version, folder: Path) -> Path:
    """Download the version into `folder`, each file checked against its SHA-256. Raises Damaged if one is not what was
    registered; it is then set aside, so that the version's pipeline copies it anew. Raises BadData for a version with a
    file that no pipeline registers, such as a pickle."""
    for file in version.files:
        if not REGISTRABLE.fullmatch(file.path):
            raise BadData(f"model: {version.name}@{version.version} names {file.path!r}, which no version may hold")
    wrong = download(store, folder, {file: f"{version.folder}/{file.path}" for file in version.files})
    if not wrong:
        return folder
    for file in wrong:
        set_aside(store, f"{version.folder}/{file.path}")
    for file in version.files:
        (folder / file.path).unlink(missing_ok=True)
    reason = next(iter(wrong.values()))
    raise Damaged(f"model: {version.name}@{version.version} is damaged in the store: {reason}; run its pipeline again")


def set_aside(store: Store, key: str) -> None:
    """Move a version's damaged file to `quarantine/`. Who may not write leaves it to those who may."""
    with suppress(Absent, Denied):
        store.copy(key, f"quarantine/{key}")
        store.delete(key)
