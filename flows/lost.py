"""Slots that nobody works on any more, and of which no event tells: a worker, a machine or Prefect's server was killed.

    Watch(store, requests, 150).lost({"2026-10-01-mrpc-seed1": flow_run, …})  ->  [("2026-10-01-mrpc-seed1", flow_run)]

A slot that is worked on changes: its flow run goes from state to state, and whoever builds one of its steps renews the
step's lease in the store. One that stayed the same for so many looks on end is lost. They are counted, and not seconds,
for while Prefect's server is away there are none. A run that was only slow loses time by it and nothing else: a second
one of its slot waits for the leases that the first one holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, StateType

from tasks.core.errors import GlueflowError
from tasks.core.plan import plan
from tasks.core.specs import GlueRun
from tasks.core.store import Store

# Scheduled ones wait for a worker, however long; a crashed one may be resumed by an automation.
JUDGED = {StateType.PENDING, StateType.RUNNING, StateType.CANCELLING, StateType.CRASHED}


@dataclass
class Sign:
    """What was seen of a slot, and in how many looks since then its state was the same."""

    state: tuple[UUID, str | None, int]
    leases: object
    looks: int = 0


class Watch:
    """Looks at the slots of a backfill that are under way."""

    def __init__(self, store: Store, requests: Mapping[str, GlueRun], looks: int) -> None:
        self._store, self._requests, self._looks = store, requests, looks
        self._signs: dict[str, Sign] = {}
        self._keys: dict[str, list[str]] = {}

    def lost(self, runs: Mapping[str, FlowRun]) -> list[tuple[str, FlowRun]]:
        """One look at the flow run of each slot: those that are lost."""
        return [(name, run) for name, run in runs.items() if run.state_type in JUDGED and self._is_lost(name, run)]

    def _is_lost(self, name: str, run: FlowRun) -> bool:
        state = run.id, run.state_name, run.run_count
        sign = self._signs.get(name)
        if sign is None or sign.state != state:
            self._signs[name] = Sign(state, self._leases(name))
            return False
        sign.looks += 1
        if sign.looks < self._looks:
            return False
        before = sign.leases
        self._signs[name] = Sign(state, self._leases(name))
        return self._signs[name].leases == before

    def _leases(self, name: str) -> object:
        """What the leases of the slot's steps hold; equal to nothing if hub or store cannot say now."""
        try:
            if name not in self._keys:
                self._keys[name] = [step.lease for step in plan(self._requests[name]).steps]
            return [self._store.read(key) for key in self._keys[name]]
        except GlueflowError:
            return object()
