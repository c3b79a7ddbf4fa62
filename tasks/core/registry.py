"""Which checkpoints there are: immutable versions 1, 2, 3, … of named models, on plain object storage.

    models/mrpc/versions/3/…       a plain `from_pretrained` folder, provenance.json, and manifest.json, written last
    models/mrpc/evidence/3/…       the predictions on the validation splits, by which versions are compared

How a version comes to be is in tasks/core/registration.py, how one ends in tasks/core/deletion.py, and what aliases
point to in tasks/core/aliases.py.
"""

import re
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from tasks.core import history
from tasks.core.errors import BadData, Damaged, Denied, WrongRequest
from tasks.core.files import SHA256, FileEntry, content_digest
from tasks.core.sealed import Sealed
from tasks.core.specs import NAME
from tasks.core.store import Absent, Store
from tasks.core.transfer import download

REGISTRABLE = re.compile(r"[\w.-]+\.(safetensors|json|txt|md|model|png)")
REFERENCE = re.compile(NAME[1:-1] + rf"(?:@([1-9][0-9]{{0,8}}|{history.ALIAS[1:-1]}))?")
FORMS = "write <name>, <name>@latest, <name>@<version> or <name>@<alias>"
MANIFEST = "manifest.json"


class Version(Sealed):
    """One version of a model: what it is, what it was made from, and every file with its digest. `content` is that of
    the files but the `attached` ones, which tell of this registration and not of the checkpoint."""

    name: Annotated[str, Field(pattern=NAME)]
    version: Annotated[int, Field(ge=1)]
    content: Annotated[str, Field(pattern=SHA256)]
    created: str
    record: dict[str, Any]
    files: tuple[FileEntry, ...]
    sources: dict[str, str]
    attached: tuple[str, ...] = ()
    evidence: tuple[FileEntry, ...] = ()

    @property
    def folder(self) -> str:
        return f"models/{self.name}/versions/{self.version}"

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def objects(self) -> dict[str, FileEntry]:
        """Every file by its object."""
        proofs = {f"models/{self.name}/evidence/{self.version}/{file.path}": file for file in self.evidence}
        return {f"{self.folder}/{file.path}": file for file in self.files} | proofs


def versions(store: Store, name: str) -> list[int]:
    """Numbers of the finished versions that were not deleted, ascending."""
    there = present(store, name)
    gone = history.state(store, name).deleted if there else ()
    return [number for number in there if number not in gone]


def present(store: Store, name: str) -> list[int]:
    """Numbers of all manifests, ascending, also of what a deletion has not removed yet."""
    prefix = f"models/{name}/versions/"
    found = (re.fullmatch(rf"([1-9]\d*)/{MANIFEST}", key.removeprefix(prefix)) for key in store.sizes(prefix))
    return sorted(int(match[1]) for match in found if match)


def missing(store: Store, name: str, number: int) -> str | None:
    """What the version lacks (its manifest, or a file at its recorded size), or None."""
    if number in history.state(store, name).deleted:
        return f"{name}@{number} was deleted"
    try:
        version = load(store, name, number)
    except (WrongRequest, BadData) as error:
        return str(error)
    there = store.sizes(version.folder + "/") | store.sizes(f"models/{name}/evidence/{number}/")
    for key, file in version.objects.items():
        if there.get(key) != file.size:
            return f"{file.path} of {version.label} is missing or has another size"
    return None


def load(store: Store, name: str, number: int) -> Version:
    """The version's manifest; raises WrongRequest if there is none, BadData if it is not to be trusted."""
    body = store.get(f"models/{name}/versions/{number}/{MANIFEST}")
    if body is None:
        there = ", ".join(map(str, versions(store, name))) or "none"
        raise WrongRequest.of("model", f"{name}@{number}", f"versions of {name}: {there}")
    return parse(name, number, body)


def parse(name: str, number: int, body: bytes) -> Version:
    """The manifest of that version; raises BadData if it is damaged, another's, or names what no version may hold."""
    try:
        found = Version.model_validate_json(body)
    except ValidationError as error:
        raise BadData(f"model: the manifest of {name}@{number} is damaged: {error.errors()[0]['msg']}") from None
    own = [file for file in found.files if file.path not in found.attached]
    if (found.name, found.version, content_digest(own)) != (name, number, found.content):
        raise BadData(f"model: the manifest of {name}@{number} does not describe that version")
    for file in found.files:
        if not REGISTRABLE.fullmatch(file.path) or file.path == MANIFEST:
            raise BadData(f"model: the manifest of {name}@{number} names {file.path!r}, which no version may hold")
    if len(found.objects) != len(found.files) + len(found.evidence):
        raise BadData(f"model: the manifest of {name}@{number} names a file twice")
    return found


def names(store: Store) -> list[str]:
    """Every model's name."""
    return sorted(name for name in store.folders("models/") if re.fullmatch(NAME[1:-1], name))


def find(store: Store, reference: str) -> Version:
    """The version that `name`, `name@latest`, `name@3` or `name@champion` stands for; raises WrongRequest if there is
    none."""
    asked = REFERENCE.fullmatch(reference)
    if not asked:
        raise WrongRequest.of("model", reference, FORMS)
    name, at, which = reference.partition("@")
    now, there = history.state(store, name), present(store, name)
    there = [number for number in there if number not in now.deleted]
    if not there:
        known = names(store)
        meant = [near + at + which for near in get_close_matches(name, known)]
        raise WrongRequest.of("model", reference, f"models in the registry: {', '.join(known) or 'none'}", meant)
    if which.isdigit():
        number = int(which)
    elif which in ("", history.LATEST):
        number = there[-1]
    elif which in now.aliases:
        number = now.aliases[which]
    else:
        known = [history.LATEST, *sorted(now.aliases)]
        meant = [f"{name}@{alias}" for alias in get_close_matches(which, known)]
        raise WrongRequest.of("model", reference, f"aliases of {name}: {', '.join(known)}", meant)
    if number in there:
        return load(store, name, number)
    if not which.isdigit():
        raise BadData(f"model: {reference} points to version {number}, which is not there; run its pipeline again")
    numbers = f"versions of {name}: {', '.join(map(str, there))}"
    raise WrongRequest.of("model", reference, f"it was deleted; {numbers}" if number in now.deleted else numbers)


def pull(store: Store, version: Version, folder: Path) -> Path:
    """Download the version into `folder`, each file checked against its SHA-256. Raises Damaged if one is not what was
    registered; it is then set aside, so that the version's pipeline copies it anew."""
    wrong = download(store, folder, {file: f"{version.folder}/{file.path}" for file in version.files})
    if not wrong:
        return folder
    for file in wrong:
        set_aside(store, f"{version.folder}/{file.path}")
    for file in version.files:
        (folder / file.path).unlink(missing_ok=True)
    reason = next(iter(wrong.values()))
    raise Damaged(f"model: {version.label} is damaged in the store: {reason}; run its pipeline again")


def set_aside(store: Store, key: str) -> None:
    """Move a version's damaged file to `quarantine/`. Who may not write leaves it to those who may."""
    with suppress(Absent, Denied):
        store.copy(key, f"quarantine/{key}")
        store.delete(key)
