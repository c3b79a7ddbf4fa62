"""A backfill carried out: one flow run a slot, on the workers of a deployment, so many at once.

    backfill({"from_": "2026-10-01", "to": "2026-10-31", "tasks": ["mrpc"]}, {"at_once": 2})
      ->  {"backfill": "3f9c1a70b2d4", "of_slots": 10, "done": 8, "failed": 0, "cancelled": 0, "left": 0}

What was submitted is in the ledger. One that was killed, or that met a second one, goes on from there: flow runs that
are under way are waited for, and none is made twice. A slot whose flow run is lost is submitted anew, as its next
attempt. Within a slot only missing steps are built, as in any run.
"""

import logging
import time
from collections import Counter
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client

from flows.flow_runs import FlowRuns, outcomes
from flows.lost import Watch
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
BEGUN = 4  # times that a slot may be begun and lost; as often as `glueflow deploy` has crashed runs begun


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
        came_of_it = Slots(ledger, requests, chosen, runs, way).carry_out()
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


class Slots:
    """The slots of a backfill that is carried out: under way, waiting, or ended. Flow runs that one before it has
    submitted come first, whatever was chosen."""

    def __init__(
        self, ledger: Ledger, requests: dict[str, GlueRun], chosen: list[str], runs: FlowRuns, way: Way
    ) -> None:
        self._ledger, self._requests, self._runs, self._way = ledger, requests, runs, way
        self._slips = ledger.slips()
        self._active = {name: slip for name, slip in self._slips.items() if slip.state == "submitted"}
        self._waiting = [name for name in chosen if name not in self._active]
        self._watch = Watch(ledger.store, requests, round(way.lost_after / POLL))
        self._begun: Counter[str] = Counter()
        self._ended: Counter[SlotState] = Counter()

    def carry_out(self) -> dict[str, int]:
        """Submit the slots in turn and wait for them; the number in each state at the end."""
        left = 0
        for name in (*self._active, *self._waiting):
            turn(name, "waiting")
        for name, slip in self._active.items():
            self._active[name] = self._submit(slip)  # the same flow run, by its idempotency key
        while self._active or self._waiting:
            standing = self._ledger.standing()
            self._look(hope=standing != "cancelled")
            if standing == "cancelled":
                self._runs.cancel(self._active.values())
            if standing == "cancelled" or 0 < self._way.stop_after <= self._ended["failed"]:
                left += len(self._waiting)
                self._waiting.clear()
            while standing == "running" and self._waiting and len(self._active) < self._way.at_once:
                self._next()
            if self._active or self._waiting:
                time.sleep(POLL)
        done, failed, cancelled = (self._ended[state] for state in ("done", "failed", "cancelled"))
        return {"done": done, "failed": failed, "cancelled": cancelled, "left": left}

    def _look(self, hope: bool) -> None:
        """Write down what came of those under way. One that is lost waits again, before all others."""
        found = self._runs.look(self._active)
        came = outcomes(self._active, found, hope)
        again: set[str] = set()
        for name, run in self._watch.lost({name: run for name, run in found.items() if run and name not in came}):
            self._begun[name] += max(run.run_count, 1)
            came[name] = self._runs.give_up(self._active[name], run, self._way.lost_after)
            if self._begun[name] < BEGUN and came[name].state == "failed":
                again.add(name)
        for name, slip in came.items():
            self._ledger.write(slip)
            del self._active[name]
            if name in again:
                self._waiting.insert(0, name)
                turn(name, "waiting")
                continue
            self._ended[slip.state] += 1
            shown = heard() and slip.state == "done"
            turn(name, slip.state, metrics(self._ledger.store, self._requests[name]) if shown else {})

    def _next(self) -> None:
        """Submit the next attempt at the slot that has waited longest."""
        name = self._waiting.pop(0)
        attempt = self._slips[name].attempt + 1 if name in self._slips else 1
        turn(name, "submitted")
        slip = self._submit(Slip(slot=name, attempt=attempt, state="submitted"))
        self._slips[name] = self._active[name] = slip

    def _submit(self, slip: Slip) -> Slip:
        return self._runs.submit(self._ledger, slip, self._requests[slip.slot])


def metrics(store: Store, request: GlueRun) -> dict[str, float]:
    """What the run's evaluation found; nothing, and a word in the log, if that cannot be read now."""
    try:
        step = next(step for step in plan(request).steps if step.step == "evaluate")
        found = find(store, step, {})
    except GlueflowError as error:
        log.warning("metrics are not shown: %s", error)
        return {}
    return dict(found.manifest.facts["metrics"]) if found.manifest else {}
