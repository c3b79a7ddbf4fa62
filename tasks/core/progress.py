"""How far long work has come, for whoever waits: the terminal, Prefect's log, or nobody.

report(Progress("train", 120, 690, "steps", {"loss": 0.412}))
"""

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


Listener = Callable[[Progress], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(progress: Progress) -> None:
    """Tell the listener of this context, if there is one."""
    if listener := _listener.get():
        listener(progress)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within the block, progress goes to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
