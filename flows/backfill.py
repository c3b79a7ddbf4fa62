"""A backfill carried out: one flow run a slot, on the workers of a deployment, so many at once.

    backfill({"from_": "2026-10-01", "to": "2026-10-31", "tasks": ["mrpc"]}, {"at_once": 2})
      ->  {"backfill": "3f9c1a70b2d4", "of_slots": 10, "done": 8, "failed": 0, "cancelled": 0, "left": 0}

What was submitted is in the ledger. One that was killed, or that met a second one, goes on from there: flow runs that
are under way are waited for, and none is made twice. Within a slot only missing steps are built, as in any run.
"""

import logging
import time
from collections import Counter
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client

from flows.flow_runs import FlowRuns
from tasks.core.artifact import find
from tasks.core.errors import GlueflowError
from tasks.core.forecast import forecast
from tasks.core.lease import exclusive
from tasks.core.ledger import Ledger, Slip, SlotState, open_ledger
from tasks.core.plan import plan
from tasks.core.progress import heard, turn
from tasks.core.settings import settings
from tasks.core.slots import Backfill, First, Mode, Way
from tasks.core.specs import GlueRun
from tasks.core.store import Store
from tasks.policy import store_of

log = logging.getLogger("tasks.backfill")
POLL = 2.0  # seconds between two looks at what is under way


class SlotsFailed(GlueflowError):
    """Some slots failed; the others are done."""


@flow(name="backfill", flow_run_name="backfill-{asked.id}", persist_result=False, log_prints=False)
def backfill(asked: Backfill, way: Way = Way()) -> dict[str, Any]:  # noqa: B008  # frozen
    """Run the slots that the mode chooses, so many at once; submit no more after so many failures."""
    known = settings()
    store = store_of(known)
    requests = asked.slots()
    with get_client(sync_client=True) as client:
        runs = FlowRuns(client, way.deployment)
        ledger = open_ledger(store, asked)
    with exclusive(store, ledger.lease, known.lease, lambda: False):
        chosen = choose(ledger, requests, way.mode, way.first)
        came_of_it = carry_out(ledger, requests, chosen, runs, way.at_once, way.stop_after)
    summary = {"backfill": ledger.id, "of_slots": asked.size, **came_of_it}
    if came_of_it["failed"]:
        raise SlotsFailed(
            f"backfill: {came_of_it['failed']} of {asked.size} slots failed; see `glueflow backfill status "
            f"{ledger.id}`; `glueflow backfill run` with --mode failed tries them again"
        )
    return summary


def choose(ledger: Ledger, requests: dict[str, GlueRun], mode: Mode, first: First) -> list[str]:
    """The slots to run, in their order: those with a step `missing`, those whose last attempt `failed`, those that were
    done and lack a step since (`stale`: data, libraries or code changed), or `all`."""
    last = {name: slip.state for name, slip in ledger.slips().items()}
    chosen = list(requests)
    if mode == "failed":
        chosen = [name for name in requests if last.get(name) == "failed"]
    elif mode != "all":
        missing = [slot.name for slot in forecast(ledger.store, requests) if not slot.done]
        chosen = [name for name in missing if mode == "missing" or last.get(name) == "done"]
    return chosen if first == "oldest" else chosen[::-1]


def carry_out(
    ledger: Ledger,
    requests: dict[str, GlueRun],
    chosen: list[str],
    runs: FlowRuns,
    at_once: int,
    stop_after: int,
) -> dict[str, int]:
    """Submit the slots in turn and wait for them; the number in each state at the end. Flow runs that one before has
    submitted come first, whatever was chosen."""
    slips = ledger.slips()
    active = {name: slip for name, slip in slips.items() if slip.state == "submitted"}
    waiting = [name for name in chosen if name not in active]
    ended: Counter[SlotState] = Counter()
    left = 0
    for name in (*active, *waiting):
        turn(name, "waiting")
    for name, slip in active.items():
        active[name] = runs.submit(ledger, slip, requests[name])  # the same flow run, by its idempotency key
    while active or waiting:
        for name, slip in runs.ended(active).items():
            ledger.write(slip)
            del active[name]
            ended[slip.state] += 1
            turn(name, slip.state, metrics(ledger.store, requests[name]) if heard() and slip.state == "done" else {})
        standing = ledger.standing()
        if standing == "cancelled":
            runs.cancel(active.values())
        if standing == "cancelled" or 0 < stop_after <= ended["failed"]:
            left += len(waiting)
            waiting.clear()
        while standing == "running" and waiting and len(active) < at_once:
            name = waiting.pop(0)
            attempt = slips[name].attempt + 1 if name in slips else 1
            turn(name, "submitted")
            active[name] = runs.submit(ledger, Slip(slot=name, attempt=attempt, state="submitted"), requests[name])
        if active or waiting:
            time.sleep(POLL)
    return {"done": ended["done"], "failed": ended["failed"], "cancelled": ended["cancelled"], "left": left}


def metrics(store: Store, request: GlueRun) -> dict[str, float]:
    """What the run's evaluation found; nothing, and a word in the log, if that cannot be read now."""
    try:
        step = next(step for step in plan(request).steps if step.step == "evaluate")
        found = find(store, step, {})
    except GlueflowError as error:
        log.warning("metrics are not shown: %s", error)
        return {}
    return dict(found.manifest.facts["metrics"]) if found.manifest else {}
