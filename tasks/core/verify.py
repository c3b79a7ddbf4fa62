"""Every byte read again: which entries and which registered versions are not what their manifests say.

    verify(store, entries(store))  ->  [Damage("steps/encode/9b1d…", "train.arrow has another SHA-256 than recorded")]

The files are streamed through this machine and kept nowhere.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tasks.core import aliases, history, registry
from tasks.core.artifact import MANIFEST, quarantine
from tasks.core.errors import BadData, WrongRequest
from tasks.core.files import FileEntry
from tasks.core.lookup import UNKNOWN, folders
from tasks.core.manifest import Manifest, parse
from tasks.core.moving import Bytes
from tasks.core.store import Absent, Store, object_key

READERS = 4


@dataclass(frozen=True)
class Holding:
    """A folder of the store with the files that it should hold, by object; or what is wrong with its manifest. `tag` is
    the entry's manifest's."""

    folder: str
    files: dict[str, FileEntry]
    wrong: str = ""
    tag: str = ""


@dataclass(frozen=True)
class Damage:
    """A folder that is not to be trusted, why, and the object that is damaged unless it is the manifest. `tag` is the
    manifest's with which it was compared."""

    folder: str
    reason: str
    name: str = ""
    tag: str = ""


def repair(store: Store, damage: Damage) -> None:
    """Set what is damaged aside, so that the next run builds the entry, or registers the version, anew."""
    if damage.folder.startswith("models/"):
        if damage.folder.endswith("/aliases"):
            aliases.repair(store, damage.folder.split("/")[1])
        elif damage.name:  # a manifest is put right from the version's claim, a history is not
            registry.set_aside(store, damage.name)
    else:
        quarantine(store, damage.folder, damage.reason, damage.tag)


def entries(store: Store, digits: Iterable[str] = ()) -> list[Holding]:
    """Every entry, or those whose keys begin with the digits; raises WrongRequest for digits that no key has."""
    found: dict[str, Holding] = {}
    for each in digits or ("",):
        chosen = [holding for step, key in folders(store, each) if (holding := _entry(store, step, key))]
        if each and not chosen:
            raise WrongRequest.of("key", each, f"no entry {UNKNOWN}")
        found |= {holding.folder: holding for holding in chosen}
    return list(found.values())


def versions(store: Store, names: Iterable[str] = ()) -> list[Holding]:
    """Every registered version, and what the models' histories and aliases say; of all models, or of these."""
    return [holding for name in names or registry.names(store) for holding in _model(store, name)]


def _model(store: Store, name: str) -> list[Holding]:
    """A model's versions, and what is wrong with its history or an alias."""
    told = f"models/{name}/history"
    if wrong := history.check(store, name):
        return [*(version(store, name, number) for number in registry.present(store, name)), Holding(told, {}, wrong)]
    there, now = registry.versions(store, name), history.state(store, name)
    lost = {alias: number for alias, number in now.aliases.items() if number not in there}
    pictures = aliases.check(store, name)
    found = [version(store, name, number) for number in there]
    found += [Holding(told, {}, f"{alias} points to version {n}, which is not there") for alias, n in lost.items()]
    found += [Holding(f"models/{name}/aliases", {}, f"{key}: {wrong}") for key, wrong in pictures.items()]
    return found if found[len(there) :] or not now.entry else [*found, Holding(told, {})]


def verify(store: Store, holdings: Sequence[Holding]) -> list[Damage]:
    """Those of the folders that are damaged, each with the first thing that is wrong with it."""
    wrong = {each.folder: Damage(each.folder, each.wrong, tag=each.tag) for each in holdings if each.wrong}
    tasks = [(holding, name, file) for holding in holdings for name, file in holding.files.items()]
    moving = Bytes("verify", {name: file.size for _, name, file in tasks})
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda task: _damage(store, task[1], task[2], moving), tasks)
        for (holding, name, _), reason in zip(tasks, found, strict=True):
            moving.done(name)
            if reason:
                wrong.setdefault(holding.folder, Damage(holding.folder, reason, name, holding.tag))
    return list(wrong.values())


def _entry(store: Store, step: str, key: str) -> Holding | None:
    """None for a folder without a manifest: what a killed build left is no entry."""
    folder = f"steps/{step}/{key}"
    held = store.read(f"{folder}/{MANIFEST}")
    if held is None:
        return None
    body, tag = held
    found = parse(body, step, key)
    if isinstance(found, str):
        return Holding(folder, {}, found, tag)
    return holding(found, tag)


def holding(manifest: Manifest, tag: str = "") -> Holding:
    """What an entry should hold, by its manifest."""
    return Holding(manifest.folder, {object_key(manifest.folder, file): file for file in manifest.files}, tag=tag)


def version(store: Store, name: str, number: int) -> Holding:
    """What a version should hold, by its manifest."""
    folder = f"models/{name}/versions/{number}"
    try:
        found = registry.load(store, name, number)
    except BadData as error:
        return Holding(folder, {}, str(error))
    return Holding(folder, found.objects)


def _damage(store: Store, name: str, file: FileEntry, moving: Bytes) -> str:
    """What is wrong with the object, or nothing."""
    sha256, size = hashlib.sha256(), 0
    try:
        for block in store.blocks(name):
            sha256.update(block)
            size += len(block)
            moving.at(name, size)
    except Absent:
        return f"{file.path} is missing"
    if size != file.size:
        return f"{file.path} has {size} bytes instead of {file.size}"
    return "" if sha256.hexdigest() == file.sha256 else f"{file.path} has another SHA-256 than recorded"
