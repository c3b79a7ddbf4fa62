"""Promotions, rollbacks, deletions and registrations of one model under every interleaving that Hypothesis thinks of.

Three machines work on one bucket in memory, one request at a time; requests fail, lose their answer, and machines crash
before or after any of them. After every single write the whole model is looked at: no alias points at nothing, the
history is dense and each entry follows from the one before, and no picture shows what the history never said.
"""

import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tasks.core import aliases, deletion, history
from tasks.core.errors import GlueflowError, WrongRequest
from tasks.core.files import FileEntry
from tasks.core.history import State, Wish
from tasks.core.registration import Candidate, register
from tasks.core.store import Store
from tests.baton import Actor, Baton, Crashed
from tests.s3_memory import Bucket, Client, Unconditional

BY = "ada@lab"
MACHINES = range(3)
VERSIONS = (1, 2, 3)
JOB = st.one_of(
    st.tuples(st.just("promote"), st.sampled_from(("champion", "staging")), st.sampled_from(VERSIONS)),
    st.tuples(st.just("rollback"), st.sampled_from(("champion", "staging")), st.just(0)),
    st.tuples(st.just("delete"), st.just(""), st.sampled_from(VERSIONS)),
    st.tuples(st.just("register"), st.just(""), st.sampled_from((1, 2, 3, 4))),
)
TURN = st.tuples(st.sampled_from(MACHINES), st.sampled_from(["go"] * 12 + ["fail", "lost", "crash before", "crash"]))


class World:
    """The bucket, its machines, and what is wrong with what was seen."""

    def __init__(self, client: type[Client]) -> None:
        self.baton, self.bucket, self.client = Baton(), Bucket(), client
        self.complaints: list[str] = []
        self.actors: dict[int, Actor] = {}
        for content in VERSIONS:
            self.do("register", "", content)
        self.bucket.watchers.append(self.look)

    def store(self) -> Store:
        return Store(self.client(self.bucket, self.baton.turn, self.baton.die), "bucket")

    def do(self, what: str, alias: str, number: int) -> object:
        """One job, as a machine does it."""
        store = self.store()
        if what == "promote":
            return aliases.move(store, "mrpc", lambda now: wish(now, alias, number))
        if what == "rollback":
            return aliases.rollback(store, "mrpc", alias, None, BY, "")
        if what == "delete":
            return deletion.delete(store, "mrpc", number, BY, "to see")
        self.bucket.objects.setdefault(f"steps/{number}", str(number).encode())
        file = FileEntry(path="model.safetensors", size=1, sha256=f"{number}" * 64)
        return register(store, "mrpc", Candidate({file.path: file}, {file.path: f"steps/{number}"}, {}), "now")

    def work(self, machine: int, verdict: Any, job: tuple[str, str, int]) -> None:
        actor = self.actors.get(machine)
        if actor is None or actor.ended:
            actor = self.actors[machine] = self.baton.spawn(f"{machine}", lambda: self.do(*job), machine)
        if verdict != "crash before":
            self.baton.grant(actor, verdict)
        if verdict.startswith("crash"):
            self.baton.crash(machine)

    def look(self, _key: str) -> None:
        """After a write: the history from its beginning, and what each picture shows."""
        read = self.bucket.objects
        made, before = [], State("mrpc")
        for number in range(1, 1 + sum(key.startswith("models/mrpc/history/") for key in read)):
            made.append(history.parse("mrpc", number, read[history.place("mrpc", number)]))
            if made[-1].version in before.deleted:
                self.complaints.append(f"entry {number} leads to a deleted version")
            before = State("mrpc", number, made[-1].aliases, frozenset(made[-1].deleted))
        for alias, version in before.aliases.items():
            if version in before.deleted or f"models/mrpc/versions/{version}/manifest.json" not in read:
                self.complaints.append(f"{alias} points at nothing")
        for key in [key for key in read if key.startswith("models/mrpc/aliases/")]:
            said = json.loads(read[key])
            if made[said["entry"] - 1].aliases.get(said["alias"]) != said["version"]:
                self.complaints.append(f"{key} shows what never was")


def wish(now: State, alias: str, number: int) -> Wish | None:
    if number in now.deleted:
        raise WrongRequest("it was deleted")
    return None if now.aliases.get(alias) == number else Wish("promote", number, BY, alias)


def explore(client: type[Client], examples: int, **options: Any) -> Counter[str]:
    happened: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, **options)
    @given(turns=st.lists(st.tuples(TURN, JOB), min_size=20, max_size=120))
    def walk(turns: list[tuple[tuple[int, str], tuple[str, str, int]]]) -> None:
        world = World(client)
        for (machine, verdict), job in turns:
            happened[verdict] += 1
            world.work(machine, verdict, job)
        for machine in MACHINES:
            world.baton.crash(machine)
        for actor in world.actors.values():
            if not isinstance(actor.failure, GlueflowError | Crashed | None):
                raise AssertionError("a job ended with another error") from actor.failure
        converges(world, happened)
        assert world.complaints == []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aliases, "time", SimpleNamespace(sleep=lambda _: None))
        walk()
    print("aliases:", ", ".join(f"{count} {what}" for what, count in sorted(happened.items())))
    return happened


def converges(world: World, happened: Counter[str]) -> None:
    """What the machines left is taken up: every picture is brought up to date, and moves go on."""
    store = world.store()
    happened["moves"] += len(history.moves(store, "mrpc"))
    happened["old pictures"] += len(aliases.check(store, "mrpc"))
    aliases.repair(store, "mrpc")
    assert aliases.check(store, "mrpc") == {}
    left = [number for number in VERSIONS if number not in history.state(store, "mrpc").deleted]
    happened["deleted"] += len(VERSIONS) - len(left)
    for job in [("promote", "champion", left[0]), ("register", "", 4)] if left else []:
        world.do(*job)
    assert history.check(store, "mrpc") == ""


def test_no_interleaving_leaves_an_alias_at_nothing_or_a_lie_in_the_history() -> None:
    happened = explore(Client, 150)
    assert min(happened[what] for what in ("crash", "crash before", "fail", "lost", "deleted", "moves")) > 20
    assert happened["old pictures"] > 5


def test_the_model_can_fail() -> None:
    """On a store that knows no conditional writes."""
    with pytest.raises((AssertionError, KeyError, ExceptionGroup)):
        explore(Unconditional, 150, phases=[Phase.generate])
