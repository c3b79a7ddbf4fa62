"""Pins: entries that a person wants kept, with the reason.

    pins/<key>.json    {"reason": "figures of the paper", "created": "2026-11-23T15:00:00+00:00"}

What a pinned entry was made from is kept, too: the collector follows its inputs.
"""

import json
from datetime import UTC, datetime

from tasks.core.errors import GlueflowError, WrongRequest
from tasks.core.lookup import DIGITS, Known
from tasks.core.runs import wait_for_collector
from tasks.core.store import Store


def pin(store: Store, known: Known, reason: str, lease: float) -> None:
    """Keep the entry. As a run does, the pin waits for a collector that may not have seen it."""
    if known.manifest is None:
        raise WrongRequest.of(
            "key", known.key, f"it was planned at {known.planned} and is not there; pin what is built"
        )
    if not reason.strip():
        raise WrongRequest.of("reason", reason, "say in a few words why it is to stay")
    body = {"reason": reason, "created": datetime.now(UTC).isoformat(timespec="seconds")}
    store.put(_name(known.key), json.dumps(body).encode())
    wait_for_collector(store, lease)
    if store.get(f"steps/{known.step}/{known.key}/manifest.json") is None:
        store.delete(_name(known.key))
        raise GlueflowError(f"store: the entry {known.key[:12]} was removed by a collector before it was pinned")


def unpin(store: Store, digits: str) -> str:
    """Let go of the pin whose key begins so; returns the key."""
    there = [name.removeprefix("pins/").removesuffix(".json") for name in store.sizes("pins/")]
    found = [key for key in there if key.startswith(digits)]
    if not DIGITS.fullmatch(digits) or len(found) != 1:
        pinned = ", ".join(sorted(key[:12] for key in there)) or "none"
        raise WrongRequest.of("key", digits, f"give at least 6 digits of one that is pinned: {pinned}")
    store.delete(_name(found[0]))
    return found[0]


def _name(key: str) -> str:
    return f"pins/{key}.json"
