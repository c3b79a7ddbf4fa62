"""What came of each slot of a backfill, kept in the bucket, so that whoever goes on with it knows.

    backfills/3f9c1a70b2d4/request.json                    what was asked for, created once
    backfills/3f9c1a70b2d4/standing.json                   {"standing": "running" | "paused" | "cancelled"}
    backfills/3f9c1a70b2d4/slots/2026-10-01-mrpc-seed1.json  {"slot", "attempt": 1, "state": "submitted", "flow_run"}

A slot's record is written before its flow run is created, which is then created under an idempotency key of backfill,
slot and attempt: whoever takes over from one that was killed in between meets the same flow run and makes no second
one. Only the holder of the backfill's lease writes slots.
"""

import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

from pydantic import Field, ValidationError

from tasks.core.errors import BadData, Unavailable, WrongRequest
from tasks.core.keys import digest
from tasks.core.sealed import Sealed
from tasks.core.slots import Backfill
from tasks.core.store import Store

Standing = Literal["running", "paused", "cancelled"]
SlotState = Literal["submitted", "done", "failed", "cancelled"]
LEDGERS = "backfills/"
ID = re.compile(r"[0-9a-f]{12}")
TRIES = 10  # to change the standing against others who do


class Order(Sealed):
    """What was asked for, and when first."""

    asked: Backfill
    created: str


class Slip(Sealed):
    """The newest attempt at one slot."""

    slot: str
    attempt: Annotated[int, Field(ge=1)]
    state: SlotState
    flow_run: str = ""
    message: str = ""

    def idempotency_key(self, ledger: str) -> str:
        return f"{ledger}-{self.slot}-{self.attempt}"


@dataclass(frozen=True)
class Ledger:
    """One backfill's records."""

    store: Store
    id: str

    @property
    def folder(self) -> str:
        return f"{LEDGERS}{self.id}"

    @property
    def lease(self) -> str:
        """The object that the one who carries the backfill out holds."""
        return f"leases/{digest(self.folder)}.json"

    def order(self) -> Order:
        """What was asked for; raises WrongRequest if there is no such ledger, BadData if it is damaged."""
        body = self.store.get(f"{self.folder}/request.json")
        if body is None:
            there = ids(self.store)
            raise WrongRequest.of("backfill", self.id, f"backfills in the bucket: {', '.join(there) or 'none'}", there)
        try:
            return Order.model_validate_json(body)
        except ValidationError as error:
            raise BadData(f"backfill: the request of {self.id} is damaged: {error.errors()[0]['msg']}") from None

    def standing(self) -> Standing:
        """Whether it is to go on; `running` unless a person said otherwise."""
        return self._standing()[0]

    def stand(self, wanted: Standing) -> None:
        """Pause it, cancel it, or let it go on; whoever carries it out looks before each slot."""
        body = json.dumps({"standing": wanted}).encode()
        for _ in range(TRIES):
            _, tag = self._standing()
            name = f"{self.folder}/standing.json"
            if self.store.swap(name, body, tag) if tag else self.store.created(name, body):
                return
        raise Unavailable(f"backfill: others change the standing of {self.id} all the time; try again")

    def _standing(self) -> tuple[Standing, str]:
        held = self.store.read(f"{self.folder}/standing.json")
        if held is None:
            return "running", ""
        found = json.loads(held[0]).get("standing")
        if found not in get_args(Standing):
            raise BadData(f"backfill: the standing of {self.id} is damaged: {found!r}")
        return found, held[1]

    def slips(self) -> dict[str, Slip]:
        """The newest attempt at each slot that was tried."""
        names = sorted(self.store.sizes(f"{self.folder}/slots/"))
        with ThreadPoolExecutor(8) as pool:
            bodies = list(pool.map(self.store.get, names))
        return {slip.slot: slip for slip in _slips(zip(names, bodies, strict=True))}

    def write(self, slip: Slip) -> None:
        self.store.put(f"{self.folder}/slots/{slip.slot}.json", slip.encoded())


def _slips(found: Iterable[tuple[str, bytes | None]]) -> Iterable[Slip]:
    for name, body in found:
        try:
            slip = Slip.model_validate_json(body or b"")
        except ValidationError as error:
            raise BadData(f"backfill: {name} is damaged: {error.errors()[0]['msg']}; remove it") from None
        if not name.endswith(f"/{slip.slot}.json"):
            raise BadData(f"backfill: {name} is of another slot; remove it")
        yield slip


def open_ledger(store: Store, asked: Backfill) -> Ledger:
    """The ledger of that backfill, begun now unless it is there."""
    ledger = Ledger(store, asked.id)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    store.create(f"{ledger.folder}/request.json", Order(asked=asked, created=now).encoded())
    return ledger


def find_ledger(store: Store, name: str) -> Ledger:
    """The ledger of that name; raises WrongRequest if there is none."""
    if not ID.fullmatch(name):
        raise WrongRequest.of("backfill", name, "a backfill's name is 12 of 0-9 and a-f, as `backfill plan` prints it")
    ledger = Ledger(store, name)
    ledger.order()
    return ledger


def ids(store: Store) -> list[str]:
    """Every backfill in the bucket."""
    return sorted(store.folders(LEDGERS))
