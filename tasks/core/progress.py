"""How far long work has come, for whoever waits: the terminal, Prefect's log, or nobody.

report(Progress("train", 120, 690, "steps", {"loss": 0.412}))
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `what`; `total` 0 means unknown. `figures` are the latest numbers worth showing."""

    what: str
    done: int
    total: int
    unit: str
    figures: dict[str, float] = field(default_factory=dict)


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
