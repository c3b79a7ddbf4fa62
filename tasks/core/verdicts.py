"""What was judged before an alias moved, or did not: one object a judgement, created once and never changed.

models/mrpc/verdicts/3/20261123T150000.000000Z-3f9c1a.json
{"version": 3, "alias": "champion", "champion": 2, "metric": "f1", "difference": 0.014, "low": -0.013, …,
 "margin": 0.02, "decision": "promote", "reason": "…"}
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import Field, ValidationError

from tasks.core.errors import BadData, GlueflowError
from tasks.core.history import ALIAS, Number
from tasks.core.sealed import Sealed
from tasks.core.specs import NAME, Frozen
from tasks.core.store import Store

READERS = 8
MARGIN = 0.02  # of the metric: 2 points of 100, on the smaller tasks about what another seed changes
Decision = Literal["promote", "refuse"]


class Comparison(Frozen):
    """Challenger less champion, its interval at that confidence, and what it rests on. `better` and `worse` count the
    examples that only the one or the other got right."""

    metric: str
    test: str
    challenger: float
    champion: float
    difference: float
    low: float
    high: float
    confidence: float
    p: float
    n: Annotated[int, Field(ge=1)]
    better: int
    worse: int
    each: tuple[float, ...]


class Verdict(Sealed):
    """Whether these versions (several if they differ in their seed, the first is to be promoted) may take the place of
    the champion. Without a champion they are compared with the best constant answer. `numbers` is empty, and the
    decision `refuse`, if they cannot be compared."""

    name: Annotated[str, Field(pattern=NAME)]
    version: Number
    versions: tuple[Number, ...]
    alias: Annotated[str, Field(pattern=ALIAS)]
    champion: Number | None
    data: str
    margin: float
    numbers: Comparison | None
    decision: Decision
    reason: str
    at: str
    by: str


def keep(store: Store, verdict: Verdict) -> str:
    """Store the verdict; returns its object."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{uuid4().hex[:6]}"
    key = f"{_folder(verdict.name, verdict.version)}{stamp}.json"
    if not store.create(key, verdict.encoded()):
        raise GlueflowError(f"store: {store.uri(key)} is there already, with another verdict")
    return key


def kept(store: Store, name: str, version: int) -> list[Verdict]:
    """Every verdict on the version, the oldest first; raises BadData for one that is damaged."""
    keys = sorted(store.sizes(_folder(name, version)))
    with ThreadPoolExecutor(READERS) as pool:
        return [_parse(store, key, body) for key, body in zip(keys, pool.map(store.get, keys), strict=True) if body]


def read(store: Store, key: str) -> Verdict:
    """The verdict that an entry of the history names."""
    return _parse(store, key, store.get(key) or b"")


def _parse(store: Store, key: str, body: bytes) -> Verdict:
    try:
        return Verdict.model_validate_json(body)
    except ValidationError as error:
        raise BadData(f"model: {store.uri(key)} is damaged: {error.errors()[0]['msg']}") from None


def _folder(name: str, version: int) -> str:
    return f"models/{name}/verdicts/{version}/"
