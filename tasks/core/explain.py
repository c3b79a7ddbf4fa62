"""Why a step is built: what differs from the nearest entry that is there, field by field, old and new value.

explain(store, step)  ->  "never built with learning_rate 3e-05 (there is 5e-05)"
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tasks.core.manifest import Manifest, parse
from tasks.core.plan import PlannedStep
from tasks.core.store import Store

NEWEST = 32  # entries that are looked at


def explain(store: Store, step: PlannedStep) -> str:
    """One line; the nearest entry is the one with the fewest differing fields, the newer one of two."""
    entries = sorted(_entries(store, step), key=lambda entry: entry.created, reverse=True)
    if not entries:
        return "never built"
    found = min((differences(entry.identity, step.identity) for entry in entries), key=len)
    upstream = [name for name in found if name in step.inputs]
    fields = [f"with {name} {new} (there is {old})" for name, (old, new) in found.items() if name not in upstream]
    return "never built " + ", ".join(fields + [f"from this {name}" for name in upstream])


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Each field that differs with its old and new value, by its own name: {"learning_rate": ("5e-05", "3e-05")}."""
    before, after = dict(_fields(old)), dict(_fields(new))
    return {
        name: (_short(before.get(name)), _short(after.get(name)))
        for name in {**after, **before}
        if before.get(name) != after.get(name)
    }


def _fields(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = []
    for name, item in value.items():
        fields += _fields(item) if isinstance(item, Mapping) else [(name, item)]
    return fields


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 48 else f"{text[:19]}…"


def _entries(store: Store, step: PlannedStep) -> list[Manifest]:
    """The step's newest manifests that are well formed."""
    keys = store.newest(f"steps/{step.step}/", "/manifest.json", NEWEST)
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(store.get, keys))
    parsed = [parse(body, step.step, key.split("/")[2]) for key, body in zip(keys, bodies, strict=True) if body]
    return [entry for entry in parsed if isinstance(entry, Manifest)]
