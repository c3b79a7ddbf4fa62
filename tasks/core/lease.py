"""Who builds: one holder for a piece of work, however many want it, on one machine or many.

    leases/<key>.json    {"holder": "7c1d…", "term": 3, "beat": 12, "host": "node-2", "pid": 4711}

The lease is a small object changed only by conditional writes. The holder rewrites it every third of its time to live.
Who waits watches the object change: one that stays the same for a whole time to live, measured by the waiter's own
monotonic clock from when it first saw it, has no living holder and may be taken over. No two clocks are ever compared.
`term` grows with every holder; a holder that was taken over (it slept, or lost the network) notices at its next write
and at the latest before its commit.
"""

import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from uuid import uuid4

from tasks.core.errors import GlueflowError, LeaseLost
from tasks.core.store import Store

BEATS = 3  # writes in a time to live


@dataclass(frozen=True)
class Claim:
    """The content of the lease object."""

    holder: str
    term: int
    beat: int
    host: str
    pid: int

    def encoded(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def _term(body: bytes) -> int:
    """The term of a claim; 0 if it is damaged, so that it is taken over like any other that stays as it is."""
    try:
        return int(json.loads(body)["term"])
    except (ValueError, TypeError, KeyError):
        return 0


class Lease:
    """A claim that is ours, kept alive by a thread until it is released."""

    def __init__(self, store: Store, key: str, claim: Claim, etag: str, seconds: float) -> None:
        self._store, self._key, self._claim, self._etag, self._seconds = store, key, claim, etag, seconds
        self._lost = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"lease {key}", daemon=True)
        self._thread.start()

    @property
    def term(self) -> int:
        return self._claim.term

    def check(self) -> None:
        """Prove by a write that the lease is still ours; raises LeaseLost if another holder has it."""
        with self._lock:
            self._write(replace(self._claim, beat=self._claim.beat + 1))

    def release(self) -> None:
        """Stop keeping it alive and let the next one have it at once; raises LeaseLost if another has it already."""
        self._stop.set()
        self._thread.join()
        if self._lost or not self._store.remove(self._key, self._etag):
            raise LeaseLost(f"lease: {self._key} was taken over by another run while this one was away")

    def _write(self, claim: Claim) -> None:
        etag = None if self._lost else self._store.swap(self._key, claim.encoded(), self._etag)
        if etag is None:
            self._lost = True
            raise LeaseLost(f"lease: {self._key} was taken over by another run while this one was away")
        self._claim, self._etag = claim, etag

    def _live(self) -> None:
        while not self._stop.wait(self._seconds / BEATS):
            try:
                self.check()
            except LeaseLost:
                return
            except GlueflowError:
                continue  # the store is away for the moment: the next beat, or the check before the commit, decides


@contextmanager
def exclusive(store: Store, key: str, seconds: float, done: Callable[[], bool]) -> Iterator[Lease | None]:
    """Hold the lease of `key` within the block, or None as soon as `done()` says that another has done the work.

    Waits while another holder lives; takes over from one that gave no sign of life for `seconds`.
    """
    lease = _acquire(store, key, seconds, done)
    try:
        yield lease
    except BaseException:
        with suppress(GlueflowError):  # what went wrong within the block matters more than a store that is away
            if lease:
                _let_go(lease)
        raise
    if lease:
        _let_go(lease)


def lives(store: Store, key: str, seconds: float) -> bool:
    """Whether somebody holds the lease of `key`: it changes within its time to live. Takes that long at most."""
    first, deadline = store.read(key), time.monotonic() + seconds
    while first and time.monotonic() < deadline:
        time.sleep(seconds / BEATS / 2)
        if (now := store.read(key)) != first:
            return now is not None
    return False


def _let_go(lease: Lease) -> None:
    with suppress(LeaseLost):  # it is another's now; whether our work counts was decided by the check before its commit
        lease.release()


def _acquire(store: Store, key: str, seconds: float, done: Callable[[], bool]) -> Lease | None:
    seen, since = "", 0.0
    while True:
        found = store.read(key)
        mine = Claim(uuid4().hex, 1, 0, socket.gethostname(), os.getpid())
        if found is None:
            etag = store.created(key, mine.encoded())
        else:
            body, held = found
            if held != seen:
                seen, since = held, time.monotonic()
            mine = replace(mine, term=_term(body) + 1)
            expired = time.monotonic() - since >= seconds
            etag = store.swap(key, mine.encoded(), held) if expired else None
        if etag:
            lease = Lease(store, key, mine, etag, seconds)
            needed = False
            try:
                needed = not done()  # by the holder before us
            finally:
                if not needed:
                    _let_go(lease)
            return lease if needed else None
        if done():
            return None
        time.sleep(seconds / BEATS * random.uniform(0.2, 0.5))  # noqa: S311  # jitter, no secret
