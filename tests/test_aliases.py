"""Aliases and their history on a real SeaweedFS: one order of moves, whoever moves, however many at once."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.core import aliases, deletion, history, registry
from tasks.core.errors import BadData, WrongRequest
from tasks.core.history import State, Wish
from tasks.core.sealed import Sealed
from tasks.core.store import Store
from tasks.core.verify import repair, verify, versions
from tests.conftest import Corner
from tests.test_registry import register

BY = "ada@lab"
HEAD = "models/mrpc/history/000001.json"
PICTURE = "models/mrpc/aliases/champion.json"


def point(store: Store, version: int, alias: str = "champion") -> history.Move | None:
    def wish(now: State) -> Wish | None:
        if version in now.deleted:
            raise WrongRequest("it was deleted")
        return None if now.aliases.get(alias) == version else Wish("promote", version, BY, alias)

    return aliases.move(store, "mrpc", wish)


def picture(store: Store, alias: str = "champion") -> tuple[int, int]:
    said = json.loads(store.get(f"models/mrpc/aliases/{alias}.json") or b"{}")
    return said["version"], said["entry"]


@pytest.fixture
def three(corner: Corner, tmp_path: Path) -> Corner:
    """A model with the versions 1, 2 and 3."""
    for name in "abc":
        register(corner, tmp_path / name, name)
    return corner


def test_an_alias_is_found_moved_and_rolled_back(three: Corner) -> None:
    store = three.store
    for version in (1, 3, 2):
        point(store, version)
        assert registry.find(store, "mrpc@champion").version == version == picture(store)[0]
    assert point(store, 2) is None
    back = [aliases.rollback(store, "mrpc", "champion", None, BY, "") for _ in range(2)]
    assert [move and move.version for move in back] == [3, 1]
    with pytest.raises(WrongRequest, match="earlier versions of mrpc@champion: none"):
        aliases.rollback(store, "mrpc", "champion", None, BY, "")
    told = [(move.kind, move.before, move.version) for move in history.moves(store, "mrpc")]
    assert told == [
        ("promote", None, 1), ("promote", 1, 3), ("promote", 3, 2), ("rollback", 2, 3), ("rollback", 3, 1)
    ]  # fmt: skip
    assert verify(store, versions(store)) == []


def test_whois_answers_for_every_moment(three: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        days = iter((10, 20, 15))  # the third writer's clock is behind

        @classmethod
        def now(cls, _: object = None) -> datetime:
            return datetime(2026, 1, next(cls.days), tzinfo=UTC)

    monkeypatch.setattr(history, "datetime", Clock)
    for version in (1, 2, 3):
        point(three.store, version)
    monkeypatch.undo()

    def who(day: int) -> int:
        return history.at(three.store, "mrpc", "champion", datetime(2026, 1, day, 12, tzinfo=UTC)).version

    assert [who(day) for day in (10, 19, 20, 31)] == [1, 1, 3, 3]
    with pytest.raises(WrongRequest, match="it was first set at 2026-01-10"):
        who(9)


def test_32_writers_move_one_alias(three: Corner) -> None:
    """One order, no move lost: as many entries as moves were made, and the picture is that of the last."""
    start = threading.Barrier(32)

    def race(number: int) -> int:
        start.wait()
        wish = Wish("promote", 1 + number % 3, BY, "champion", reason=str(number))
        move = aliases.move(three.store, "mrpc", lambda now: wish)
        assert move
        return move.entry

    with ThreadPoolExecutor(32) as pool:
        found = sorted(pool.map(race, range(32)))
    assert found == list(range(1, 33))
    made = history.moves(three.store, "mrpc")
    assert sorted(int(move.reason) for move in made) == list(range(32))
    assert picture(three.store) == (made[-1].version, 32)


def test_a_version_is_deleted_or_promoted_never_both(three: Corner) -> None:
    """Deletions and promotions of the same versions at once: no alias ever points at nothing."""
    start, outcomes = threading.Barrier(9), Counter[str]()

    def attempt(job: tuple[str, int]) -> None:
        what, version = job
        start.wait()
        try:
            if what == "delete":
                deletion.delete(three.store, "mrpc", version, BY, "to see")
            else:
                point(three.store, version, what)
            outcomes[f"{version} {'deleted' if what == 'delete' else 'used'}"] += 1
        except WrongRequest:
            outcomes["refused"] += 1

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(attempt, [(what, version) for version in (1, 2, 3) for what in ("delete", "one", "two")]))
    now = history.state(three.store, "mrpc")
    for version in (1, 2, 3):
        assert bool(outcomes[f"{version} deleted"]) == (version in now.deleted)
    assert outcomes["refused"] >= 1
    assert not now.deleted & set(now.aliases.values())
    assert {registry.find(three.store, f"mrpc@{alias}").version for alias in now.aliases} == set(now.aliases.values())
    assert verify(three.store, versions(three.store)) == []


def test_a_deleted_version_is_gone_and_its_number_too(three: Corner, tmp_path: Path) -> None:
    store = three.store
    point(store, 2)
    with pytest.raises(WrongRequest, match=r"mrpc@champion points to it"):
        deletion.delete(store, "mrpc", 2, BY, "wrong data")
    deletion.delete(store, "mrpc", 3, BY, "wrong data")
    deletion.delete(store, "mrpc", 3, BY, "again")
    assert three.keys("models/mrpc/versions/3/") == set() == three.keys("models/mrpc/claims/3.json")
    assert registry.versions(store, "mrpc") == [1, 2]
    assert registry.find(store, "mrpc").version == 2
    for reference in ("mrpc@3", "mrpc@4"):
        with pytest.raises(WrongRequest, match="versions of mrpc: 1, 2"):
            registry.find(store, reference)
    assert [register(three, tmp_path / name, name) for name in ("c", "d", "a", "c")] == [4, 5, 1, 4]


@pytest.mark.parametrize(
    "alias", ["", "Champion", "../x", "a/b", "@", "a@b", "3", "chämpion", "x" * 64, "x" * 300, "a\n", "latest"]
)
def test_aliases_that_may_not_be(corner: Corner, alias: str) -> None:
    with pytest.raises(WrongRequest, match="alias: "):
        aliases.movable(alias)
    with pytest.raises(ValueError, match="alias"):
        history.append(corner.store, State("mrpc"), Wish("promote", 1, BY, alias))
    assert corner.keys("models/mrpc/history/") == set()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"alias": "champion", "version": 9, "entry": 9}', b"flipped", b"other", None]
)
def test_a_damaged_alias_object_misleads_nobody(three: Corner, body: bytes | None) -> None:
    store = three.store
    point(store, 2)
    good = store.get(PICTURE)
    assert good
    if body is None:
        store.delete(PICTURE)
    elif body == b"flipped":
        store.put(PICTURE, good.replace(b'"version": 2', b'"version": 3'))
    elif body == b"other":
        store.put(PICTURE, aliases.Picture(alias="champion", version=9, entry=99).encoded())
    else:
        store.put(PICTURE, body)
    assert registry.find(store, "mrpc@champion").version == 2
    (found,) = verify(store, versions(store))
    assert PICTURE in found.reason
    repair(store, found)
    assert verify(store, versions(store)) == []
    assert picture(store) == (2, 1)


def forged(store: Store, **changed: object) -> bytes:
    """The first entry with other contents and a seal that fits."""
    move = history.parse("mrpc", 1, store.get(HEAD) or b"")
    return Sealed.encoded(move.model_copy(update=changed))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"version": 2}, "does not follow"),
        ({"aliases": {"champion": 3, "other": 1}}, "does not follow"),
        ({"link": "0" * 64}, "does not follow"),
        ({"deleted": (3,)}, "does not follow"),
        ({"kind": "delete"}, "damaged"),
        ({"entry": 2}, "another place"),
        ({"name": "rte"}, "another place"),
        ({"version": 0}, "damaged"),
        ({"at": "yesterday"}, "damaged"),
    ],
)
def test_a_forged_entry_is_found(three: Corner, changed: dict[str, object], why: str) -> None:
    store = three.store
    point(store, 1)
    store.put(HEAD, forged(store, **changed))
    (found,) = verify(store, versions(store))
    assert found.folder == "models/mrpc/history"
    assert why in found.reason


def test_an_entry_that_could_not_be_made_is_found(three: Corner) -> None:
    """A deletion of what an alias points to, and a promotion of what is deleted."""
    store = three.store
    point(store, 1)
    history.append(store, history.state(store, "mrpc"), Wish("delete", 1, BY))
    assert "no move that could be made" in history.check(store, "mrpc")
    store.delete("models/mrpc/history/000002.json")
    deletion.delete(store, "mrpc", 2, BY, "to see")
    history.append(store, history.state(store, "mrpc"), Wish("promote", 2, BY, "champion"))
    assert "000003.json is no move that could be made" in history.check(store, "mrpc")


def test_an_entry_changed_in_the_past_is_found(three: Corner) -> None:
    store = three.store
    for version in (1, 2, 3):
        point(store, version)
    store.put(HEAD, forged(store, by="eve@lab"))
    with pytest.raises(BadData, match=r"000002\.json does not follow"):
        history.moves(store, "mrpc")


@pytest.mark.parametrize("strange", ["x.json", "0000001.json", "notes", "000003.json"])
def test_a_history_with_a_hole_or_a_stranger_is_refused(three: Corner, strange: str) -> None:
    store = three.store
    point(store, 1)
    store.put(f"models/mrpc/history/{strange}", store.get(HEAD) or b"")
    with pytest.raises(BadData, match="model: "):
        registry.find(store, "mrpc@champion")
    with pytest.raises(BadData, match="model: "):
        point(store, 2)


def test_an_alias_to_a_version_that_is_not_there_is_named(three: Corner) -> None:
    store = three.store
    point(store, 3)
    store.delete("models/mrpc/versions/3/manifest.json")
    with pytest.raises(BadData, match="mrpc@champion points to version 3, which is not there"):
        registry.find(store, "mrpc@champion")
    assert "champion points to version 3" in verify(store, versions(store))[0].reason
