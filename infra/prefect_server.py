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

EVERY = 1.0  # seconds between two collections of what is young
ALL = 60  # every so many of them, of everything


def collect() -> None:
    for turn in range(1, sys.maxsize):
        time.sleep(EVERY)
        gc.collect(1 if turn % ALL else 2)


def main() -> None:
    gc.disable()
    threading.Thread(target=collect, name="garbage", daemon=True).start()
    sys.argv = ["prefect", "server", "start"]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
