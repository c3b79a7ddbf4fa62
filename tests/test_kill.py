"""SIGKILL at every point between two writes of a whole run: the next run ends with the bytes of one undisturbed.

The work of the steps is replayed (tests/replay.py); leases, entries, registration and the store are the real ones.
"""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.awsrequest import AWSPreparedRequest
from botocore.httpsession import URLLib3Session

from infra.stack import Stack
from tasks.core.artifact import Outcome
from tasks.core.store import Store
from tests import s3_faults
from tests.conftest import Corner
from tests.replay import Replay, audit

LEASE = 1.0  # seconds that a killed holder is waited for
WRITES = ("PUT", "POST", "DELETE")


def point(request: AWSPreparedRequest, prefix: str) -> str:
    """A write's name: what is written, without keys and digests."""
    path = request.url.partition(f"/{prefix}")[2].partition("?")[0]
    return f"{request.method} " + re.sub(r"[0-9a-f]{16,}", "…", path)


def listen(store: Store, hear: Any) -> None:
    """Have `hear(request)` called before each write of the client."""

    def answer(request: AWSPreparedRequest, **_: Any) -> Any:
        return hear(request) if request.method in WRITES else None

    store.client.meta.events.register("before-send.s3", answer)


def killed_at(store: Store, home: Path, ordinal: int, applied: bool) -> None:
    """A run in a process of its own that is killed at that write, before it is sent or after it was carried out."""
    child = os.fork()
    if child == 0:
        try:
            seen = [0]

            def hear(request: AWSPreparedRequest) -> None:
                seen[0] += 1
                if seen[0] == ordinal + 1:
                    if applied:
                        URLLib3Session().send(request)
                    os.kill(os.getpid(), signal.SIGKILL)

            listen(store, hear)
            Replay(store, home, LEASE).run()
        finally:
            os._exit(1)  # it should have been killed
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), f"write {ordinal} never came"


def digests(done: dict[str, Outcome]) -> dict[str, str]:
    """Of each step; the registration's names its bucket, and the files of the version are compared by `audit`."""
    return {step: outcome.manifest.digest for step, outcome in done.items() if step != "register"}


def test_killed_at_every_point_between_two_writes(corner: Corner, stack: Stack, tmp_path: Path) -> None:
    def place(name: str) -> Store:
        return replace(corner.store, client=s3_faults.client(stack), prefix=f"{corner.store.prefix}{name}/")

    calm, points = place("calm"), list[str]()
    listen(calm, lambda request: points.append(point(request, calm.prefix)))
    undisturbed = digests(Replay(calm, tmp_path / "calm", LEASE).run())
    kills = [(ordinal, applied) for ordinal in range(len(points)) for applied in (False, True)]
    for ordinal, applied in kills:
        name = f"{ordinal}-{applied}"
        killed_at(place(name), tmp_path / name, ordinal, applied)

    def again(kill: tuple[int, bool]) -> None:
        ordinal, applied = kill
        name = f"{ordinal}-{applied}"
        store = place(name)
        audit(store)
        finished = {key.split("/")[1] for key in store.sizes("steps/") if key.endswith("/manifest.json")}
        found = Replay(store, tmp_path / name, LEASE).run()
        where = f"killed {'after' if applied else 'before'} {points[ordinal]}"
        assert digests(found) == undisturbed, where
        assert {step for step, done in found.items() if done.state == "reused"} >= finished, where
        assert audit(store) == audit(calm), where
        assert len(store.sizes("leases/")) <= 1, where  # of work that was finished; nobody asks for it any more

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(again, kills))
    print(f"killed before and after each of {len(points)} writes, {len(kills)} times: the same bytes every time")
    print("\n".join(points))
