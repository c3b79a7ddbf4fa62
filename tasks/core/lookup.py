"""From the first digits of a key to what it names: an entry that is there, or a step that a run set out to build.

lookup(store, "9b1d05")  ->  Known("encode", "9b1d05…", {…}, Manifest(…), "")
"""

import re
from dataclasses import dataclass
from typing import Any, TypeVar

from tasks.core import runs
from tasks.core.artifact import MANIFEST
from tasks.core.errors import Damaged, WrongRequest
from tasks.core.manifest import Manifest, parse
from tasks.core.specs import STEPS
from tasks.core.store import Store

DIGITS = re.compile(r"[0-9a-f]{6,64}")
UNKNOWN = "has a key that begins so; `glueflow cache list` shows all"
T = TypeVar("T")


@dataclass(frozen=True)
class Known:
    """A key and its identity; its manifest if the entry is there, else when a run last set out to build it."""

    step: str
    key: str
    identity: dict[str, Any]
    manifest: Manifest | None
    planned: str = ""


def lookup(store: Store, digits: str) -> Known:
    """What the digits stand for; raises WrongRequest unless that is one thing, Damaged if it cannot be read."""
    there = [place for place in folders(store, digits) if store.get(f"steps/{'/'.join(place)}/{MANIFEST}") is not None]
    if there:
        step, key = _only(digits, {key: (step, key) for step, key in there})
        return _entry(store, step, key)
    planned: dict[str, Known] = {}
    for name, body in runs.records(store):
        if digits.encode() in body:
            record = _record(name, body)
            for each in record.steps:
                if each.key.startswith(digits):
                    planned.setdefault(each.key, Known(each.step, each.key, each.identity, None, record.started))
    return _only(digits, planned)


def folders(store: Store, digits: str = "") -> list[tuple[str, str]]:
    """Step and key of every folder below `steps/` whose key begins with the digits."""
    if digits and not DIGITS.fullmatch(digits):
        raise WrongRequest.of("key", digits, "give its first digits: 6 to 64 of 0-9 and a-f")
    return [(step, key) for step in STEPS for key in store.folders(f"steps/{step}/") if key.startswith(digits)]


def _only(digits: str, found: dict[str, T]) -> T:
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise WrongRequest.of(
            "key", digits, f"it begins {', '.join(key[:16] for key in sorted(found))}; give more digits"
        )
    raise WrongRequest.of(
        "key", digits, "no entry and no recent run has a key that begins so; see `glueflow cache list`"
    )


def _entry(store: Store, step: str, key: str) -> Known:
    body = store.get(f"steps/{step}/{key}/{MANIFEST}")
    found = parse(body or b"", step, key)
    if isinstance(found, str):
        raise Damaged(
            f"store: the entry {step} {key[:12]} cannot be read ({found}); set it aside with `glueflow cache "
            f"verify {key[:12]} --repair`"
        )
    return Known(step, key, found.identity, found)


def _record(name: str, body: bytes) -> runs.Run:
    try:
        return runs.parse(body)
    except Damaged as error:
        raise Damaged(f"store: {name}: {error}") from None
