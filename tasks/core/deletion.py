"""How a version ends: by an entry in the history, which cannot be made while an alias points to the version.

    delete(store, "mrpc", 2, by="ada@lab", reason="trained on the wrong data")

From that entry on the version is gone, whatever still lies in the bucket. Its objects are removed next, the manifest
first; what a killed deletion, or a writer that was slower than it, leaves behind goes with `glueflow cache gc`. The
history and the verdicts on the version stay, and its number is never given again.
"""

import json
from contextlib import suppress

from tasks.core import aliases
from tasks.core.errors import WrongRequest
from tasks.core.history import State, Wish
from tasks.core.registry import MANIFEST, load
from tasks.core.store import Store


def delete(store: Store, name: str, version: int, by: str, reason: str) -> None:
    """Delete the version; raises WrongRequest while an alias points to it. One that is deleted already is cleared."""
    if not reason.strip():
        raise WrongRequest.of("reason", reason, "say in a few words why the version goes")

    def wish(now: State) -> Wish | None:
        if version in now.deleted:
            return None
        load(store, name, version)  # there is such a version
        if used := sorted(alias for alias, number in now.aliases.items() if number == version):
            line = f"{' and '.join(f'{name}@{alias}' for alias in used)} points to it; move the alias first"
            raise WrongRequest.of("model", f"{name}@{version}", line)
        return Wish("delete", version, by, reason=reason)

    aliases.move(store, name, wish)
    _clear(store, name, version)


def _clear(store: Store, name: str, version: int) -> None:
    """Remove the objects of a version that the history calls deleted. Safe to stop and to repeat."""
    folder, claim = f"models/{name}/versions/{version}/", f"models/{name}/claims/{version}.json"
    body = store.get(claim) or store.get(folder + MANIFEST)
    store.delete(folder + MANIFEST)
    for key in [*store.sizes(folder), *store.sizes(f"models/{name}/evidence/{version}/")]:
        store.delete(key)
    with suppress(ValueError, TypeError, KeyError):  # a damaged record does not say which marker was its own
        _unmark(store, name, version, str(json.loads(body or b"")["content"]))
    store.delete(claim)


def _unmark(store: Store, name: str, version: int, content: str) -> None:
    """Remove the content's marker, if it still is that of this version."""
    key = f"models/{name}/digests/{content}.json"
    held = store.read(key)
    if held and json.loads(held[0])["version"] == version:
        store.remove(key, held[1])
