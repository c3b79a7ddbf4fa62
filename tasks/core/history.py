"""What happened to a model: one object a move, dense and numbered, created once and never changed.

    models/mrpc/history/000007.json   {"entry": 7, "kind": "promote", "alias": "champion", "version": 3, "before": 2,
                                       "aliases": {"champion": 3}, "deleted": [1], "at": "2026-…", "by": "ada@lab", …}

Creating entry 7 *is* the move: it says where every alias points from then on, and which versions are deleted. Its
writer has read entry 6, and two cannot both create 7, so all moves and deletions of one model come in one order: no
alias can move to a version that is deleted meanwhile, no version can be deleted that an alias has moved to meanwhile.
Each entry holds the digest of the one before it, so that what was changed behind our back is found by `check`.
"""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import uuid4

from pydantic import Field, ValidationError, model_validator

from tasks.core.errors import BadData, Unavailable, WrongRequest
from tasks.core.sealed import Sealed
from tasks.core.specs import NAME
from tasks.core.store import Store

LATEST = "latest"  # always the newest version: no alias, and nothing that could be moved
ALIAS = r"^[a-z][a-z0-9_-]{0,62}$"
ENTRY = re.compile(r"(\d{6})\.json")
READERS = 8
Number = Annotated[int, Field(ge=1)]
Kind = Literal["promote", "rollback", "delete"]


@dataclass(frozen=True)
class State:
    """Where a model stands after its newest entry; `entry` is 0 while nothing has happened."""

    name: str
    entry: int = 0
    aliases: dict[str, int] = field(default_factory=dict)
    deleted: frozenset[int] = frozenset()
    link: str = ""
    at: str = ""


@dataclass(frozen=True)
class Wish:
    """A move that somebody wants to make; `alias` is empty for a deletion."""

    kind: Kind
    version: int
    by: str
    alias: str = ""
    reason: str = ""
    verdict: str = ""
    forced: bool = False


class Move(Sealed):
    """One entry. `aliases` and `deleted` hold after it; `id` tells it from another writer's that is alike."""

    name: Annotated[str, Field(pattern=NAME)]
    entry: Number
    id: str
    kind: Kind
    alias: Annotated[str, Field(pattern=r"^$|" + ALIAS)]
    version: Number
    before: Number | None
    aliases: dict[Annotated[str, Field(pattern=ALIAS)], Number]
    deleted: tuple[Number, ...]
    at: str
    by: str
    reason: str
    verdict: str
    forced: bool
    link: str

    @model_validator(mode="after")
    def _moves_something(self) -> Self:
        if bool(self.alias) == (self.kind == "delete"):
            raise ValueError("a deletion names no alias, every other move does")
        if LATEST in self.aliases:
            raise ValueError("latest is no alias")
        return self


def folder(name: str) -> str:
    return f"models/{name}/history/"


def place(name: str, entry: int) -> str:
    return f"{folder(name)}{entry:06}.json"


def state(store: Store, name: str) -> State:
    """Where the model stands now: one listing and, if anything happened, one entry. Raises BadData for a history that
    has a hole or whose newest entry is not to be trusted."""
    newest = _newest(store, name)
    return after(_read(store, name, newest)) if newest else State(name)


def after(read: tuple[Move, str]) -> State:
    """Where the model stood after that entry, given with its digest."""
    move, link = read
    return State(move.name, move.entry, move.aliases, frozenset(move.deleted), link, move.at)


def append(store: Store, now: State, wish: Wish) -> Move | None:
    """Make the move, from that state. None if another writer was first: read the state anew, and think again."""
    move = entry(now, wish, datetime.now(UTC).isoformat(timespec="seconds"))
    return move if store.create(place(now.name, move.entry), move.encoded()) else None


def entry(now: State, wish: Wish, clock: str) -> Move:
    """The entry that follows from the wish. No entry is dated before the one that it follows, whatever the clock."""
    if now.entry >= 999_999:
        raise BadData(f"model: the history of {now.name} is full")
    pointing = {wish.alias: wish.version} if wish.alias else {}
    gone = {wish.version} if wish.kind == "delete" else set()
    return Move(
        name=now.name,
        entry=now.entry + 1,
        id=uuid4().hex,
        kind=wish.kind,
        alias=wish.alias,
        version=wish.version,
        before=now.aliases.get(wish.alias),
        aliases={**now.aliases, **pointing},
        deleted=tuple(sorted(now.deleted | gone)),
        at=max(clock, now.at),
        by=wish.by,
        reason=wish.reason,
        verdict=wish.verdict,
        forced=wish.forced,
        link=now.link,
    )


def moves(store: Store, name: str) -> list[Move]:
    """Every entry, the oldest first, each checked against the one before it; raises BadData naming the first that is
    damaged, forged or missing."""
    newest = _newest(store, name)
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(lambda number: _read(store, name, number), range(1, newest + 1)))
    before = State(name)
    for read in found:
        move, _ = read
        wish = Wish(move.kind, move.version, move.by, move.alias, move.reason, move.verdict, move.forced)
        if not _possible(before, move):
            raise BadData(f"model: {store.uri(place(name, move.entry))} is no move that could be made")
        if entry(before, wish, move.at).model_copy(update={"id": move.id}) != move:
            raise BadData(f"model: {store.uri(place(name, move.entry))} does not follow from the entry before it")
        before = after(read)
    return [move for move, _ in found]


def _possible(before: State, move: Move) -> bool:
    """Whether the move could be made from there: none leads to what is deleted, nothing is deleted that is in use."""
    in_use = move.kind == "delete" and move.version in before.aliases.values()
    return move.version not in before.deleted and not in_use


def check(store: Store, name: str) -> str:
    """What is wrong with the history, or nothing."""
    try:
        moves(store, name)
    except BadData as error:
        return str(error)
    return ""


def at(store: Store, name: str, alias: str, moment: datetime) -> Move:
    """The move by which the alias got where it was at that moment; raises WrongRequest if it was nowhere yet."""
    made = [move for move in moves(store, name) if move.alias == alias]
    until = [move for move in made if datetime.fromisoformat(move.at) <= moment]
    if not until:
        first = f"it was first set at {made[0].at}" if made else "no such alias was ever set"
        raise WrongRequest.of("model", f"{name}@{alias} at {moment.isoformat()}", first)
    return until[-1]


def trail(made: list[Move], alias: str) -> list[int]:
    """The versions to which rollbacks lead, the present one last: a promotion adds one, a rollback takes the last."""
    found: list[int] = []
    for move in made:
        if move.alias != alias:
            continue
        if move.kind == "rollback" and move.version in found:
            found = found[: len(found) - found[::-1].index(move.version)]
        else:
            found.append(move.version)
    return found


def parse(name: str, number: int, body: bytes) -> Move:
    """The entry of that number; raises BadData if it is damaged or another's."""
    key = place(name, number)
    try:
        move = Move.model_validate_json(body)
        datetime.fromisoformat(move.at)
    except (ValidationError, ValueError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise BadData(f"model: {key} is damaged: {said}") from None
    if (move.name, move.entry) != (name, number):
        raise BadData(f"model: {key} is the entry of another place")
    return move


def _newest(store: Store, name: str) -> int:
    """The number of the newest entry; raises BadData for a hole, or for an object that is no entry."""
    prefix = folder(name)
    found = [(key, ENTRY.fullmatch(key.removeprefix(prefix))) for key in store.sizes(prefix)]
    numbers = sorted(int(match[1]) for _, match in found if match)
    if strange := [key for key, match in found if match is None]:
        raise BadData(f"model: {store.uri(strange[0])} is no entry of a history; remove it")
    if numbers != list(range(1, len(numbers) + 1)):
        hole = next(number for number in range(1, len(numbers) + 2) if number not in numbers)
        raise BadData(f"model: {store.uri(place(name, hole))} is missing, and later entries are there")
    return len(numbers)


def _read(store: Store, name: str, number: int) -> tuple[Move, str]:
    """The entry and the digest of its bytes."""
    body = store.get(place(name, number))
    if body is None:
        raise Unavailable(f"store: {store.uri(place(name, number))} vanished while it was read; try again")
    return parse(name, number, body), hashlib.sha256(body).hexdigest()
