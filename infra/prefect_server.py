"""Prefect's server as the local stack runs it, by the path of this file: `python -P infra/prefect_server.py`.

Garbage is collected in a thread of its own. With SQLite it may hold a statement whose connection waits for the write
lock, and ending that statement waits as long, up to a minute. In the thread of the event loop, where Python collects by
itself, this stopped the whole server for that minute: the holder of the lock was waiting for the loop.
"""

import gc
import runpy
import sys
import threading
import time
from typing import Any

EVERY = 1.0  # seconds between two collections of what is young
ALL = 60  # every so many of them, of everything


def collect() -> None:
    for turn in range(1, sys.maxsize):
        time.sleep(EVERY)
        gc.collect(1 if turn % ALL else 2)


def count_as_a_writer() -> None:
    """Have events for automations counted in transactions that begin as writers; a Postgres has no such difference.

    They read first. One that begins as a reader may not write any more once another has written meanwhile ("database is
    locked", at once); Prefect then takes the event again, and acts on it again, four times, before it drops it.
    """
    from prefect.server.database import provide_database_interface
    from prefect.server.events import triggers

    def session(begin_transaction: bool = False) -> Any:
        return provide_database_interface().session_context(begin_transaction, with_for_update=True)

    triggers.automations_session = session  # type: ignore[attr-defined]  # where it is called, not where it is from


def main() -> None:
    gc.disable()
    count_as_a_writer()
    threading.Thread(target=collect, name="garbage", daemon=True).start()
    sys.argv = ["prefect", "server", "start"]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
