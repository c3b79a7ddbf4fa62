"""Store, lease, manifest and registry under every interleaving that Hypothesis thinks of, with crashes at each step.

Three machines run the real `get_or_build` and `register` on one bucket in memory, one request at a time. Hypothesis
decides who is next, whose request fails or loses its answer, who crashes right before or after it was carried out, who
sleeps past its lease and when time passes, and which object of an entry is damaged when; the heartbeats are threads
like the others. No two builds give the same bytes, as on a GPU. After every single write the whole bucket is looked at.
"""

import shutil
import tempfile
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tasks.core import lease as lease_module
from tasks.core.artifact import Outcome
from tasks.core.errors import Damaged, GlueflowError
from tasks.core.lease import BEATS
from tasks.core.store import Store
from tasks.core.verify import entries, repair, verify, versions
from tests.baton import Actor, Baton, Clock, Crashed, Locks
from tests.conftest import FULL
from tests.replay import Unrepeatable, last_steps
from tests.s3_memory import Bucket, Client, FilesLast, Ruthless, Unconditional
from tests.witness import Witness

LEASE = 9.0
LONGEST = 40  # requests of a run in a row
MACHINES = range(3)
REQUESTS = range(2)
CHAINS = [last_steps(seed) for seed in REQUESTS]
FOLDERS = {step.folder for steps in CHAINS for step in steps}


class Laboratory(RuleBasedStateMachine):
    """The rules: what may happen to a machine, to a request, to time."""

    client = Client
    happened: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.baton, self.bucket = Baton(), Bucket()
        self.witness = Witness(self.bucket, self.baton, LEASE)
        self.home = Path(tempfile.mkdtemp(prefix="model-"))
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(lease_module, "threading", Locks(self.baton))
        self.patch.setattr(lease_module, "time", Clock(self.baton))
        self.runs: dict[int, Actor] = {}
        self.asleep: set[int] = set()
        self.numbers = count(1)

    def store(self) -> Store:
        return Store(self.client(self.bucket, self.baton.turn, self.baton.die), "bucket")

    def start(self, machine: int, request: int) -> Actor:
        run = Unrepeatable(self.store(), self.home / str(machine), LEASE, CHAINS[request], self.numbers)
        self.runs[machine] = self.baton.spawn(f"run {machine}", run.run, machine)
        return self.runs[machine]

    def idle(self, machine: int) -> bool:
        return machine not in self.runs or self.runs[machine].ended

    @rule(
        machine=st.sampled_from(MACHINES),
        request=st.sampled_from(REQUESTS),
        requests=st.integers(0, LONGEST),
        then=st.sampled_from(["go", "sleep", "sleep before delete", "crash before", "crash", "fail", "lost"]),
        heart=st.booleans(),
        seconds=st.sampled_from([0, LEASE / 6, LEASE / 2, LEASE, 2 * LEASE]),
    )
    def work(self, machine: int, request: int, requests: int, then: Any, heart: bool, seconds: float) -> None:
        """One machine's run goes on for some requests. Then it falls asleep until its next turn (if it likes, right
        before it sets an entry aside), or the next request of the run or of its heart is disturbed; time passes for
        all. It is one rule, because Hypothesis leaves some out at will."""
        self.asleep.discard(machine)
        if self.idle(machine):
            self.baton.grant(self.start(machine, request))
        run = self.runs[machine]
        late = then == "sleep before delete"
        for _ in range(2 * LONGEST if late else requests):
            if run.ended:
                return
            if late and run.at.startswith("DeleteObject steps/"):
                break
            if run.ready():
                self.baton.grant(run)
            else:
                self.time_passes(LEASE / BEATS / 2)
        if then.startswith("sleep"):
            self.asleep.add(machine)
            self.happened[then] += 1
        else:
            self.step((self.heart(machine) if heart else None) or run, then)
        self.time_passes(seconds)

    @rule(
        which=st.integers(0, 1000),
        manifest=st.booleans(),
        how=st.sampled_from(["flip", "truncate", "remove"]),
        where=st.integers(0, 10_000),
    )
    def damage(self, which: int, manifest: bool, how: str, where: int) -> None:
        """An object of an entry is no longer what was written."""
        there = [key for key in sorted(self.bucket.objects) if key.startswith("steps/")]
        if there := [key for key in there if self.bucket.objects[key] and key.endswith("/manifest.json") == manifest]:
            self.bucket.damage(there[which % len(there)], how, where)
            self.happened[how] += 1
            for folder in FOLDERS:
                self.witness.excuse(folder)

    @rule(
        machine=st.sampled_from(MACHINES),
        request=st.sampled_from(REQUESTS),
        which=st.integers(0, 1000),
        how=st.sampled_from(["truncate", "remove"]),
        seconds=st.sampled_from([0, LEASE, 2 * LEASE]),
    )
    def oversleep(self, machine: int, request: int, which: int, how: str, seconds: float) -> None:
        """An entry is damaged; the run that is about to set it aside falls asleep, and the next machine takes over."""
        self.damage(which, manifest=False, how=how, where=0)
        self.work(machine, request, 0, "sleep before delete", heart=False, seconds=0)
        self.work((machine + 1) % len(MACHINES), request, 2 * LONGEST, "go", heart=False, seconds=seconds)

    def heart(self, machine: int) -> Actor | None:
        """The heartbeat of the machine's lease, at its next write."""
        for actor in self.baton.alive(machine):
            if actor is not self.runs[machine]:
                self.time_passes(LEASE / BEATS, but=machine)
                if actor.ready():
                    self.baton.grant(actor)
                return None if actor.ended else actor
        return None

    def step(self, actor: Actor, verdict: Any) -> None:
        """One turn. A crash takes the whole machine: before the request, or right after it was carried out."""
        self.happened[verdict] += 1
        if verdict != "crash before" and actor.ready() and not actor.ended:
            self.baton.grant(actor, verdict)
        if verdict.startswith("crash"):
            self.baton.crash(actor.machine)

    def time_passes(self, seconds: float, but: int | None = None) -> None:
        """Hearts beat on all machines but those that sleep."""
        end = self.baton.clock + seconds
        while self.baton.clock < end:
            self.baton.clock = min(end, self.baton.clock + LEASE / BEATS / 2)
            for machine in [one for one in MACHINES if one not in self.asleep and one != but]:
                for actor in self.baton.alive(machine):
                    while actor is not self.runs[machine] and not actor.ended and actor.ready():
                        self.baton.grant(actor)

    @invariant()
    def nothing_was_seen_that_may_not_be(self) -> None:
        assert self.witness.complaints == []
        for actor in self.runs.values():
            if actor.ended and not isinstance(actor.failure, GlueflowError | Crashed | None):
                raise AssertionError(f"{actor.name} ended with another error") from actor.failure

    @invariant()
    def a_run_that_ended_holds_nothing(self) -> None:
        for machine in MACHINES:
            if self.idle(machine):
                assert self.baton.alive(machine) == []

    def teardown(self) -> None:
        self.happened["examples"] += 1
        self.happened["requests"] += self.bucket.requests
        self.happened["taken over"] += self.witness.taken_over
        self.happened["too late"] += self.bucket.too_late
        try:
            if not self.witness.complaints:
                self.everything_converges()
        finally:
            for machine in [*MACHINES, len(MACHINES)]:
                self.baton.crash(machine)
            self.patch.undo()
            shutil.rmtree(self.home)

    def everything_converges(self) -> None:
        """All crash; a run on a fresh machine reuses what was finished, builds the rest, and is then reused itself. A
        flipped bit is seen by who reads it, at the latest by `verify`."""
        for machine in MACHINES:
            self.baton.crash(machine)
        for key in self.witness.stuck():
            del self.bucket.objects[key]
        for request in REQUESTS:
            kept, unread = self.witness.kept(CHAINS[request]), bool(self.bucket.damaged)
            reused = [step for step, outcome in self.alone(request).items() if outcome.state == "reused"]
            assert reused == kept or (unread and {*kept} < {*reused})
        found = verify(self.store(), [*entries(self.store()), *versions(self.store())])
        for damage in found:
            repair(self.store(), damage)
        for request in REQUESTS if found else ():
            self.alone(request)
        for request in REQUESTS:
            before = self.bucket.writes
            assert {outcome.state for outcome in self.alone(request).values()} == {"reused"}
            assert self.bucket.writes == before
            assert self.witness.kept(CHAINS[request]) == [step.step for step in CHAINS[request]]
        left = {key for key in self.bucket.objects if key.startswith("leases/")}
        assert left <= {f"leases/{step.key}.json" for steps in CHAINS for step in steps}  # finished: in nobody's way
        assert self.witness.complaints == []

    def alone(self, request: int) -> dict[str, Outcome]:
        """Runs on a fresh machine to their end, with time as they need it: one more for each entry set aside."""
        machine = len(MACHINES)
        for _ in CHAINS[request]:
            main = self.start(machine, request)
            self.baton.finish(main, LEASE / 8, self.baton.clock + 3 * 2 * LEASE)
            if not isinstance(main.failure, Damaged):
                break
        if main.failure:
            raise main.failure
        return main.result


def explore(examples: int, steps: int, client: type[Client] = Client, **options: Any) -> Counter[str]:
    """Try so many examples of so many steps each, always the same; returns what happened in them."""
    happened: Counter[str] = Counter()
    laboratory = type("Laboratory", (Laboratory,), {"client": client, "happened": happened})
    known = settings(deadline=None, database=None, derandomize=True)
    chosen = settings(known, max_examples=examples, stateful_step_count=steps, **options)
    run_state_machine_as_test(laboratory, settings=chosen)
    print("model:", ", ".join(f"{count} {what}" for what, count in sorted(happened.items())))
    return happened


def test_every_interleaving_leaves_whole_entries_and_converges() -> None:
    happened = explore(examples=100, steps=16)
    disturbed = ("crash before", "crash", "fail", "lost", "sleep", "taken over", "too late")
    assert min(happened[what] for what in (*disturbed, "flip", "truncate", "remove")) > 10


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_more_interleavings_do_as_well() -> None:
    assert min(explore(examples=400 if FULL else 120, steps=20).values()) > 10


@pytest.mark.parametrize("client", [FilesLast, Unconditional, Ruthless])
def test_the_model_can_fail(client: type[Client]) -> None:
    with pytest.raises(AssertionError, match=r"is visible and not whole|was committed by two|was set aside"):
        explore(examples=200, steps=12, client=client, phases=[Phase.generate])
