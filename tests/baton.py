"""Threads that run one at a time and stop wherever the test says: one baton, handed to a thread and back.

    baton = Baton()
    one = baton.spawn("one", work, machine=0)   # runs up to its first `turn`
    baton.grant(one)                            # lets it go on up to the next
    baton.crash(machine=0)                      # its threads end where they stand, and touch nothing more

Time is virtual: it moves only by `baton.clock += seconds`. `Locks` and `Clock` stand in for the modules `threading` and
`time` where code waits for another thread or for time to pass.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["go", "crash", "fail", "lost"]


class Crashed(BaseException):
    """The machine is off: no `except Exception` may go on."""


@dataclass(eq=False)
class Actor:
    """One thread: where it waits, whether it may go on, and how it ended."""

    name: str
    machine: int
    ready: Callable[[], bool] = bool
    at: str = ""
    verdict: Verdict = "go"
    dead: bool = False
    ended: bool = False
    result: Any = None
    failure: BaseException | None = None
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Baton:
    """Who runs: the test, or the one actor that it granted a turn."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.actors: list[Actor] = []
        self._back = threading.Semaphore(0)
        self._here = threading.local()

    @property
    def here(self) -> Actor | None:
        """The actor that asks, or None outside of all."""
        return getattr(self._here, "actor", None)

    def spawn(self, name: str, work: Callable[[], object], machine: int) -> Actor:
        """A new actor; it begins at its first grant."""
        actor = Actor(name, machine, ready=lambda: True)
        self.actors.append(actor)

        def body() -> None:
            actor.go.acquire()
            self._here.actor = actor
            try:
                if not actor.dead:
                    actor.result = work()
            except BaseException as error:  # noqa: BLE001  # kept for the test, which judges it
                actor.failure = error
            actor.ended = True
            self._back.release()

        threading.Thread(target=body, name=name, daemon=True).start()
        return actor

    def turn(self, at: str, ready: Callable[[], bool] = lambda: True) -> Verdict:
        """Called by an actor: wait for the next grant, which comes only when `ready`. Raises Crashed if it died."""
        actor = self.here
        if actor is None:
            return "go"
        if not actor.dead:
            actor.at, actor.ready = at, ready
            self._back.release()
            actor.go.acquire()
        if actor.dead:
            raise Crashed
        return actor.verdict

    def grant(self, actor: Actor, verdict: Verdict = "go") -> None:
        """Let the actor run up to its next turn or its end."""
        assert not actor.ended
        actor.verdict = verdict
        actor.go.release()
        self._back.acquire()

    def finish(self, main: Actor, seconds: float, deadline: float) -> None:
        """Let the actor's machine go on to the actor's end; time passes, so much at once, while all of it waits."""
        while not main.ended:
            awake = [actor for actor in self.alive(main.machine) if actor.ready()]
            for actor in awake:
                if not actor.ended:
                    self.grant(actor)
            self.clock += 0.0 if awake else seconds
            assert self.clock < deadline, "a run waits for a dead holder for ever"

    def die(self) -> None:
        """Called by an actor: its machine goes off now."""
        assert self.here
        self.here.dead = True
        raise Crashed

    def alive(self, machine: int) -> list[Actor]:
        return [actor for actor in self.actors if actor.machine == machine and not actor.ended]

    def crash(self, machine: int) -> None:
        """Every thread of the machine ends where it stands."""
        for actor in self.alive(machine):
            actor.dead = True
        for actor in self.alive(machine):
            self.grant(actor)
        self.actors = [actor for actor in self.actors if actor.machine != machine]


@dataclass(frozen=True)
class Clock:
    """`time` of one baton, for code that waits."""

    baton: Baton

    def monotonic(self) -> float:
        """Every machine's clock began at another time; no code may compare two."""
        return self.baton.clock + 1000.0 * (self.baton.here.machine if self.baton.here else 0)

    def sleep(self, seconds: float) -> None:
        end = self.baton.clock + seconds
        self.baton.turn("sleep", lambda: self.baton.clock >= end)


@dataclass(frozen=True)
class Locks:
    """`threading` of one baton: an actor that waits hands the baton back."""

    baton: Baton

    def Lock(self) -> "Lock":  # noqa: N802  # as in `threading`
        return Lock(self.baton)

    def Event(self) -> "Event":  # noqa: N802  # threading's name
        return Event(self.baton)

    def Thread(self, target: Callable[[], object], name: str, daemon: bool) -> "Thread":  # noqa: N802  # threading's name
        return Thread(self.baton, target, name)


class Lock:
    def __init__(self, baton: Baton) -> None:
        self._baton, self._held = baton, False

    def __enter__(self) -> None:
        if self._held:
            self._baton.turn("lock", lambda: not self._held)
        self._held = True

    def __exit__(self, *_: Any) -> None:
        self._held = False


class Event:
    def __init__(self, baton: Baton) -> None:
        self._baton, self._set = baton, False

    def set(self) -> None:
        self._set = True

    def wait(self, seconds: float) -> bool:
        end = self._baton.clock + seconds
        self._baton.turn("wait", lambda: self._set or self._baton.clock >= end)
        return self._set


class Thread:
    def __init__(self, baton: Baton, target: Callable[[], object], name: str) -> None:
        assert baton.here
        self._baton, self._target, self._name, self._machine = baton, target, name, baton.here.machine

    def start(self) -> None:
        self._actor = self._baton.spawn(self._name, self._target, self._machine)

    def join(self) -> None:
        self._baton.turn("join", lambda: self._actor.ended)
