"""What runs set out to do: one small record each, written before the run looks at any entry.

    runs/20261123T150000.123456Z-3f9c1a.json    {"started", "task", "seed", "host", "pid", "steps": [{"step", "key",
                                                 "identity"}]}

A record protects its keys from the collector, which removes nothing before it has read all records while it holds
`leases/gc.json`. A run writes its record and then waits for a collector that is at work. So either the collector saw
the record, or the run looks at the entries after the collector is done.
"""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field, ValidationError

from tasks.core.errors import Damaged
from tasks.core.files import SHA256
from tasks.core.keys import digest
from tasks.core.lease import exclusive
from tasks.core.plan import Plan
from tasks.core.specs import Frozen, StepName
from tasks.core.store import Store

RUNS = "runs/"
COLLECTOR = "leases/gc.json"


class Intent(Frozen):
    """One step that a run set out to reuse or build."""

    step: StepName
    key: Annotated[str, Field(pattern=SHA256)]
    identity: dict[str, Any]


class Run(Frozen):
    """The record of one run: what it asked for, and where it was started."""

    started: str
    task: str
    seed: int
    host: str
    pid: int
    steps: tuple[Intent, ...]


def begin(store: Store, plan: Plan, lease: float) -> str:
    """Record the run, and wait while a collector is at work (for a dead one, `lease` seconds). Returns the object."""
    now = datetime.now(UTC)
    record = Run(
        started=now.isoformat(timespec="seconds"),
        task=plan.request.task,
        seed=plan.request.seed,
        host=socket.gethostname(),
        pid=os.getpid(),
        steps=tuple(Intent(step=step.step, key=step.key, identity=step.identity) for step in plan.steps),
    )
    name = f"{RUNS}{now:%Y%m%dT%H%M%S.%fZ}-{uuid4().hex[:6]}.json"
    store.put(name, record.model_dump_json(indent=1).encode())
    wait_for_collector(store, lease)
    return name


def wait_for_collector(store: Store, lease: float) -> None:
    """Return once no collector is at work that may not have seen what was written before; one request if none is."""
    if store.get(COLLECTOR) is not None:
        with exclusive(store, COLLECTOR, lease, lambda: store.get(COLLECTOR) is None):
            pass  # it is done, or it was away for too long and has lost its right to remove


def parse(body: bytes) -> Run:
    """The record; raises Damaged if its keys are not to be trusted."""
    try:
        found = Run.model_validate_json(body)
        if any(digest(step.identity) != step.key for step in found.steps):
            raise Damaged("the record is damaged: a key is not that of its identity")
    except ValidationError as error:
        raise Damaged(f"the record is damaged: {error.errors()[0]['msg']}") from None
    except (TypeError, ValueError) as error:
        raise Damaged(f"the record is damaged: {error}") from None
    return found


def records(store: Store) -> Iterator[tuple[str, bytes]]:
    """Every record's name and bytes, the newest first."""
    names = sorted(store.sizes(RUNS), reverse=True)
    with ThreadPoolExecutor(8) as pool:
        yield from ((name, body) for name, body in zip(names, pool.map(store.get, names), strict=True) if body)
