"""How far long work has come, for whoever waits: the terminal, Prefect's log, or nobody.

report(Progress("train", 120, 690, "steps", {"loss": 0.412}))
report(Progress("train", 120, 690, "steps", run="rte seed 1", state="running"))   one of many runs at once
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

BESIDE = "save"  # goes on beside a training: not what a run is at


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `what`; `total` 0 means unknown. `figures` are the latest numbers worth showing. `run`
    names one of many that are under way at once, and `state` says what has become of it."""

    what: str
    done: int
    total: int
    unit: str
    figures: dict[str, float] = field(default_factory=dict)
    run: str = ""
    state: str = ""


@dataclass(frozen=True)
class Saved:
    """A training's state after `step` steps, complete in `folder`. Whoever keeps it removes the folder then."""

    step: int
    folder: str


Listener = Callable[[Progress], None]
Keeper = Callable[[Saved], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_keeper: ContextVar[Keeper | None] = ContextVar("keeper", default=None)


def report(progress: Progress) -> None:
    """Tell the listener of this context, if there is one."""
    if listener := _listener.get():
        listener(progress)


def turn(run: str, state: str, figures: Mapping[str, float] | None = None) -> None:
    """Tell that one of many runs is in that state now."""
    report(Progress("", 0, 0, "", dict(figures or {}), run, state))


def heard() -> bool:
    """Whether anybody listens: what costs a request to find out is asked only then."""
    return _listener.get() is not None


def hand_over(saved: Saved) -> None:
    """Give a saved state to the keeper of this context; where nobody keeps it, it is removed."""
    if keeper := _keeper.get():
        keeper(saved)
    else:
        shutil.rmtree(saved.folder)


@contextmanager
def listening(listener: Listener, keeper: Keeper | None = None) -> Iterator[None]:
    """Within the block, progress goes to `listener` and saved states go to `keeper`."""
    tokens = _listener.set(listener), _keeper.set(keeper)
    try:
        yield
    finally:
        _listener.reset(tokens[0])
        _keeper.reset(tokens[1])


@contextmanager
def also_listening(listener: Listener) -> Iterator[None]:
    """Within the block, progress goes to `listener`, too."""
    outer = _listener.get()

    def both(progress: Progress) -> None:
        if outer:
            outer(progress)
        listener(progress)

    token = _listener.set(both)
    try:
        yield
    finally:
        _listener.reset(token)
