"""Store, lease, manifest and registry under every interleaving that Hypothesis thinks of, with crashes at each step.

Three machines run the real `get_or_build` and `register` on one bucket in memory, one request at a time. Hypothesis
decides who is next, whose request fails or loses its answer, who crashes right before or after it was carried out, who
sleeps past its lease and when time passes; the heartbeats are threads like the others. No two builds give the same
bytes, as on a GPU. After every single write the whole bucket is looked at.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tasks.core import lease as lease_module
from tasks.core.artifact import Folders, Outcome, get_or_build
from tasks.core.errors import GlueflowError
from tasks.core.lease import BEATS
from tasks.core.manifest import Manifest
from tasks.core.plan import PlannedStep
from tasks.core.settings import Settings
from tasks.core.specs import EvaluateSpec, FinetuneSpec, RegisterSpec, Training
from tasks.core.store import Store
from tasks.steps import register
from tests.baton import Actor, Baton, Clock, Crashed, Locks
from tests.s3_memory import Bucket, Client, FilesLast, Unconditional
from tests.witness import Witness

LEASE = 9.0
MACHINES = range(3)
REQUESTS = range(2)
TRAINING = Training().model_dump(exclude={"max_length", "precision"})


def spec_of(seed: int) -> FinetuneSpec:
    return FinetuneSpec(task="mrpc", checkpoint="sha256:aa", seed=seed, precision="float32", **TRAINING)


def chain(seed: int) -> tuple[PlannedStep, PlannedStep, PlannedStep]:
    """The last three steps of a run; both requests register under one name."""
    finetune = PlannedStep("finetune", spec_of(seed), {}, {})
    evaluate = PlannedStep("evaluate", EvaluateSpec(task="mrpc"), {"finetune": finetune.key}, {})
    spec = RegisterSpec(task="mrpc", name="mrpc", data="sample:v1:8", checkpoint="sha256:aa")
    inputs = {"finetune": finetune.key, "evaluate": evaluate.key}
    return finetune, evaluate, PlannedStep("register", spec, inputs, {})


CHAINS = [chain(seed) for seed in REQUESTS]


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
        self.builds = 0
        self.outcomes: dict[int, list[Outcome]] = {}

    def start(self, machine: int, request: int) -> Actor:
        client = self.client(self.bucket, self.baton.turn, self.baton.die)
        work = Run(self, Store(client, "bucket"), machine, request)  # type: ignore[arg-type]
        self.runs[machine] = self.baton.spawn(f"run {machine}", work, machine)
        return self.runs[machine]

    def idle(self, machine: int) -> bool:
        return machine not in self.runs or self.runs[machine].ended

    @rule(
        machine=st.sampled_from(MACHINES),
        request=st.sampled_from(REQUESTS),
        requests=st.integers(0, 40),
        then=st.sampled_from(["go", "sleep", "crash before", "crash", "fail", "lost"]),
        heart=st.booleans(),
        seconds=st.sampled_from([0, LEASE / 6, LEASE / 2, LEASE, 2 * LEASE]),
    )
    def work(self, machine: int, request: int, requests: int, then: Any, heart: bool, seconds: float) -> None:
        """One machine's run goes on for some requests. Then it falls asleep, or the next request of the run or of its
        heart is disturbed; time passes for all. It is one rule, because Hypothesis leaves some out at will."""
        if self.idle(machine):
            self.baton.grant(self.start(machine, request))
        run = self.runs[machine]
        for _ in range(requests):
            if run.ended:
                return
            if run.ready():
                self.baton.grant(run)
            else:
                self.time_passes(LEASE / BEATS / 2)
        if then != "sleep":
            self.step((self.heart(machine) if heart else None) or run, then)
        self.happened["sleep"] += then == "sleep"
        self.time_passes(seconds, asleep=machine if then == "sleep" else None)

    def heart(self, machine: int) -> Actor | None:
        """The heartbeat of the machine's lease, at its next write."""
        for actor in self.baton.alive(machine):
            if actor is not self.runs[machine]:
                self.time_passes(LEASE / BEATS, asleep=machine)
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

    def time_passes(self, seconds: float, asleep: int | None = None) -> None:
        """Hearts beat on all machines but the one that sleeps."""
        end = self.baton.clock + seconds
        while self.baton.clock < end:
            self.baton.clock = min(end, self.baton.clock + LEASE / BEATS / 2)
            for machine in MACHINES:
                for actor in self.baton.alive(machine):
                    while machine != asleep and actor is not self.runs[machine] and not actor.ended and actor.ready():
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
        try:
            if not self.witness.complaints:
                self.everything_converges()
        finally:
            for machine in [*MACHINES, len(MACHINES)]:
                self.baton.crash(machine)
            self.patch.undo()
            shutil.rmtree(self.home)

    def everything_converges(self) -> None:
        """All crash; a run on a fresh machine reuses what was finished, builds the rest, and is then reused itself."""
        for machine in MACHINES:
            self.baton.crash(machine)
        for request in REQUESTS:
            finished = [step.folder for step in CHAINS[request] if self.witness.sound(step.folder)]
            found = self.alone(request)
            reused = [step.folder for step, one in zip(CHAINS[request], found, strict=True) if one.state == "reused"]
            assert reused == finished
        for request in REQUESTS:
            before = self.bucket.writes
            assert {outcome.state for outcome in self.alone(request)} == {"reused"}
            assert self.bucket.writes == before
        left = {key for key in self.bucket.objects if key.startswith("leases/")}
        assert left <= {
            f"leases/{step.key}.json" for steps in CHAINS for step in steps
        }  # of finished steps: in nobody's way
        assert self.witness.complaints == []

    def alone(self, request: int) -> list[Outcome]:
        """A run on a fresh machine to its end, with time as it needs it."""
        machine = len(MACHINES)
        main, deadline = self.start(machine, request), self.baton.clock + 3 * 2 * LEASE
        while not main.ended:
            awake = [actor for actor in self.baton.alive(machine) if actor.ready()]
            for actor in awake:
                if not actor.ended:
                    self.baton.grant(actor)
            self.baton.clock += 0.0 if awake else LEASE / 8  # exact in binary, as all times here
            assert self.baton.clock < deadline, "a run waits for a dead holder for ever"
        if main.failure:
            raise main.failure
        return self.outcomes[machine]


class Run:
    """What a machine does: the steps of one request, in order."""

    def __init__(self, lab: Laboratory, store: Store, machine: int, request: int) -> None:
        self.lab, self.store, self.machine, self.steps = lab, store, machine, CHAINS[request]
        self.settings = Settings(home=lab.home / str(machine), lease=LEASE)

    def __call__(self) -> None:
        made: dict[str, Manifest] = {}
        done = []
        for step in self.steps:
            inputs = {name: made[name] for name in step.inputs}

            def build(out: Path, folders: Folders, step: PlannedStep = step, inputs: Any = inputs) -> dict[str, Any]:
                if step.step == "register":
                    return register.run(self.store, step, inputs, out, folders)
                return self.write(out, folders)

            check = (lambda manifest: register.missing(self.store, manifest)) if step.step == "register" else None
            done.append(get_or_build(self.store, self.settings, step, inputs, build, check=check))
            made[step.step] = done[-1].manifest
        self.lab.outcomes[self.machine] = done

    def write(self, out: Path, folders: Folders) -> dict[str, Any]:
        """Bytes that no other build gives, and traces of those that they were made from."""
        self.lab.builds += 1
        read = [path.read_text() for folder in folders().values() for path in sorted(folder.iterdir())]
        for name in ("config.json", "metrics.json") if read else ("config.json", "model.safetensors"):
            (out / name).write_text(f"{name} of build {self.lab.builds} {read}")
        return {"metrics": {"f1": float(self.lab.builds)}, "steps": 1, "planned_steps": 1}


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
    happened = explore(examples=150, steps=12)
    assert min(happened[what] for what in ("crash before", "crash", "fail", "lost", "sleep", "taken over")) > 20


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_more_interleavings_do_as_well() -> None:
    explore(examples=1_000, steps=25)


@pytest.mark.parametrize("client", [FilesLast, Unconditional])
def test_the_model_can_fail(client: type[Client]) -> None:
    with pytest.raises(AssertionError, match=r"is visible and not whole|was committed by two"):
        explore(examples=100, steps=12, client=client, phases=[Phase.generate])
