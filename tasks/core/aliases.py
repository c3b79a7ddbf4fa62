"""Names that move: `champion`, or any other, points to one version of a model.

    models/mrpc/aliases/champion.json   {"alias": "champion", "version": 3, "entry": 7}

The truth is the history (tasks/core/history.py). The alias object is its picture, for whoever wants one small file: it
is replaced only in the state in which it was read (If-Match) and only by a later entry. A writer killed between the
two leaves an old picture, which nobody here believes and which the next move, or `verify`, brings up to date.

`latest` is no alias but the newest version there is; it moves by itself and cannot be moved.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import Field, ValidationError

from tasks.core import history
from tasks.core.errors import BadData, Unavailable, WrongRequest
from tasks.core.history import ALIAS, LATEST, Move, State, Wish
from tasks.core.sealed import Sealed
from tasks.core.store import Store

TRIES = 100  # of a move that others were faster than; each time one of them has made theirs
PAUSES = (0.05, 1.0)  # seconds, the first and the longest; contended conditional writes are slow


class Picture(Sealed):
    """Where the alias points since that entry of the history."""

    alias: Annotated[str, Field(pattern=ALIAS)]
    version: Annotated[int, Field(ge=1)]
    entry: Annotated[int, Field(ge=1)]


def movable(alias: str) -> str:
    """The alias, if it may be moved; raises WrongRequest otherwise."""
    if alias == LATEST:
        raise WrongRequest.of("alias", alias, "it is always the newest version; move another name, such as champion")
    if not re.fullmatch(ALIAS[1:-1], alias):
        raise WrongRequest.of("alias", alias, "a letter, then up to 62 of a-z, 0-9, _ and - are allowed")
    return alias


def move(store: Store, name: str, wish: Callable[[State], Wish | None]) -> Move | None:
    """Make the move that `wish` wants from where the model stands; it is asked again whenever another move came first.
    None if it wants none. Afterwards every picture shows what the history says."""
    for pause in _pauses():
        now = history.state(store, name)
        wanted = wish(now)
        made = history.append(store, now, wanted) if wanted else None
        if made or not wanted:
            show(store, made.aliases if made else now.aliases, name, made.entry if made else now.entry)
            return made
        time.sleep(pause)
    raise Unavailable(f"store: {TRIES} moves of {name} were made by others meanwhile; try again")


def rollback(store: Store, name: str, alias: str, to: int | None, by: str, reason: str) -> Move | None:
    """Move the alias back to the version before, or to an earlier one; what was deleted is passed over. Rolled back
    twice, it is where it was two promotions ago."""
    movable(alias)

    def wish(now: State) -> Wish:
        present = now.aliases.get(alias)
        if present is None:
            raise WrongRequest.of("model", f"{name}@{alias}", f"aliases of {name}: {', '.join(now.aliases) or 'none'}")
        way = [each for each in history.trail(history.moves(store, name), alias) if each not in now.deleted]
        earlier = [each for each in way if each != present]
        target = to or (earlier[-1] if earlier else None)
        if target not in earlier:
            told = ", ".join(map(str, sorted(set(earlier)))) or "none"
            raise WrongRequest.of(
                "version", target or f"before {present}", f"earlier versions of {name}@{alias}: {told}"
            )
        assert target  # noqa: S101  # it is among the earlier ones
        return Wish("rollback", target, by, alias, reason)

    return move(store, name, wish)


def show(store: Store, aliases: dict[str, int], name: str, entry: int) -> None:
    """Bring the pictures up to that entry; a later one stays."""
    for alias, version in aliases.items():
        picture = Picture(alias=alias, version=version, entry=entry)
        while not _shown(store, name, picture):
            pass  # another writer's picture came first: it is later, or it is replaced


def _shown(store: Store, name: str, picture: Picture) -> bool:
    key = place(name, picture.alias)
    held = store.read(key)
    if held is None:
        return store.create(key, picture.encoded())
    there = parse(picture.alias, held[0])
    if not isinstance(there, str) and there.entry >= picture.entry:
        return True
    return store.swap(key, picture.encoded(), held[1]) is not None


def place(name: str, alias: str) -> str:
    return f"models/{name}/aliases/{alias}.json"


def parse(alias: str, body: bytes) -> Picture | str:
    """The picture, or what is wrong with it."""
    try:
        found = Picture.model_validate_json(body)
    except ValidationError as error:
        return f"it is damaged: {error.errors()[0]['msg']}"
    return found if found.alias == alias else "it is the picture of another alias"


def check(store: Store, name: str) -> dict[str, str]:
    """By object, what is wrong with the model's pictures."""
    try:
        now = history.state(store, name)
    except BadData:
        return {}  # the history's own check says why
    wrong: dict[str, str] = {}
    there = store.sizes(f"models/{name}/aliases/")
    for key in sorted({*there, *(place(name, alias) for alias in now.aliases)}):
        alias = key.rpartition("/")[2].removesuffix(".json")
        found = parse(alias, store.get(key) or b"")
        version = now.aliases.get(alias)
        if isinstance(found, str):
            wrong[key] = found if key in there else "it is missing"
        elif found.version != version:
            truth = f"the history says {version}" if version else "the history knows no such alias"
            wrong[key] = f"it points to version {found.version}, and {truth}"
    return wrong


def repair(store: Store, name: str) -> None:
    """Make every picture what the history says; remove those of aliases that it does not know."""
    now = history.state(store, name)
    for key in check(store, name):
        if held := store.read(key):
            store.remove(key, held[1])
    show(store, now.aliases, name, now.entry)


def _pauses() -> Iterator[float]:
    first, longest = PAUSES
    for attempt in range(TRIES):
        yield random.uniform(0.5, 1.0) * min(longest, first * 2**attempt)  # noqa: S311  # jitter is no secret
