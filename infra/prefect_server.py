"""Prefect's server as the local stack runs it, by the path of this file: `python -P infra/prefect_server.py`.

Garbage is collected in a thread of its own. With SQLite it may hold a statement whose connection waits for the write
lock, and ending that statement waits as long, up to a minute. In the thread of the event loop, where Python collects by
itself, this stopped the whole server for that minute: the holder of the lock was waiting for the loop.

Transactions on SQLite take turns. Prefect begins most of them as readers; one that then wants to write fails at once if
another has written meanwhile, and each waits for the lock by looking, not in a queue: on a busy machine for more than
the minute after which it gives up ("database is locked"; runs Crashed as their labels could not be written, heartbeats
and events lost). Here each begins as a writer, in the order in which they came. A Postgres needs none of it.
"""

import asyncio
import gc
import runpy
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

EVERY = 1.0  # seconds between two collections of what is young
ALL = 60  # every so many of them, of everything


def collect() -> None:
    for turn in range(1, sys.maxsize):
        time.sleep(EVERY)
        gc.collect(1 if turn % ALL else 2)


def take_turns() -> None:
    """Have SQLite's transactions begin as writers, one after the other.

    One within another, which Prefect has for limits by tag, does not wait for it: it begins as Prefect would begin it.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction
    turns: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}
    within: ContextVar[asyncio.Event | None] = ContextVar("within", default=None)  # is set once that one has ended

    @asynccontextmanager
    async def begin_in_turn(self: Any, session: Any, with_for_update: bool = False) -> AsyncIterator[Any]:
        outer = within.get()
        if outer and not outer.is_set():
            async with begin(self, session, with_for_update) as transaction:
                yield transaction
            return
        async with turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            ended = asyncio.Event()
            before = within.set(ended)
            try:
                async with begin(self, session, with_for_update=True) as transaction:
                    yield transaction
            finally:
                ended.set()
                within.reset(before)

    AioSqliteConfiguration.begin_transaction = begin_in_turn  # type: ignore[method-assign]  # there is no setting for it


def main() -> None:
    gc.disable()
    take_turns()
    threading.Thread(target=collect, name="garbage", daemon=True).start()
    sys.argv = ["prefect", "server", "start"]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
