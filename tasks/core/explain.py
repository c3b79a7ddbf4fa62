"""Why a step is built: what differs from the nearest entry that is there, field by field, old and new value.

explain(store, step)  ->  "never built with learning_rate 3e-05 (there is 5e-05)"
nearest(store, "finetune", identity).differences  ->  {"learning_rate": ("5e-05", "3e-05")}
"""

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tasks.core.manifest import Manifest, parse
from tasks.core.plan import PlannedStep
from tasks.core.store import Store

NEWEST = 32  # entries that are looked at


@dataclass(frozen=True)
class Nearest:
    """An entry, and each field in which another identity differs from it: the value there, and the one asked for."""

    key: str
    created: str
    differences: dict[str, tuple[str, str]]


def explain(store: Store, step: PlannedStep) -> str:
    """One line for a step that is not there."""
    return in_one_line(nearest(store, step.step, step.identity), step.inputs)


def nearest(store: Store, step: str, identity: Mapping[str, Any], before: str = "") -> Nearest | None:
    """The step's entry with the fewest differing fields, the newer one of two; only among those that are not newer
    than the entry of the key `before`, if one is given."""
    return closest(_entries(store, _older(store, step, before), step) if before else newest(store, step), identity)


def newest(store: Store, step: str) -> list[Manifest]:
    """The step's last entries, of which the nearest to another is looked for."""
    return _entries(store, store.newest(f"steps/{step}/", "/manifest.json", NEWEST), step)


def closest(entries: Iterable[Manifest], identity: Mapping[str, Any]) -> Nearest | None:
    """The entry with the fewest differing fields, the newer one of two."""
    found = [
        Nearest(entry.key, entry.created, differences(entry.identity, identity))
        for entry in sorted(entries, key=lambda entry: entry.created, reverse=True)
    ]
    return min(found, key=lambda entry: len(entry.differences), default=None)


def in_one_line(found: Nearest | None, inputs: Collection[str]) -> str:
    """The differences in words, for a log and a table's cell."""
    if not found:
        return "never built"
    upstream = [f"from this {name}" for name in found.differences if name in inputs]
    fields = [
        f"with {name} {short(asked)} (there is {short(there)})"
        for name, (there, asked) in found.differences.items()
        if name not in inputs
    ]
    return "never built " + ", ".join(fields + upstream)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Each field that differs with its old and new value, by its own name: {"learning_rate": ("5e-05", "3e-05")}."""
    before, after = fields(old), fields(new)
    pairs = {name: (before.get(name, "nothing"), after.get(name, "nothing")) for name in {**after, **before}}
    return {name: (there, asked) for name, (there, asked) in pairs.items() if there != asked}


def fields(identity: Mapping[str, Any]) -> dict[str, str]:
    """Every field of an identity by its own name, whatever part it lies in."""
    found: dict[str, str] = {}
    for name, item in identity.items():
        found |= fields(item) if isinstance(item, Mapping) else {name: "nothing" if item is None else str(item)}
    return found


def short(text: str) -> str:
    """A value as it fits into a line; a digest by its first digits."""
    return text if len(text) <= 48 else f"{text[:19]}…"


def _older(store: Store, step: str, key: str) -> list[str]:
    """The manifests that are not newer than the one of `key`, the newest first."""
    held = store.ages(f"steps/{step}/")
    mine = f"steps/{step}/{key}/manifest.json"
    found = [name for name in held if name.endswith("/manifest.json") and name != mine]
    older = sorted((name for name in found if held[name].age >= held[mine].age), key=lambda name: held[name].age)
    return older[:NEWEST]


def _entries(store: Store, names: list[str], step: str) -> list[Manifest]:
    """Those of the manifests that are well formed."""
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(store.get, names))
    parsed = [parse(body, step, name.split("/")[2]) for name, body in zip(names, bodies, strict=True) if body]
    return [entry for entry in parsed if isinstance(entry, Manifest)]
