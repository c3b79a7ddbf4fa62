"""Promote: move an alias to a version that was judged against the one that it points to now, on the same examples.

    in   models/mrpc/evidence/<n>/validation.parquet of challenger and champion
    out  models/mrpc/verdicts/<n>/…; if it is `promote`, the alias moved

The rule. Against a champion: promoted unless the lower bound of the difference's 95 % interval is below minus the
margin (non-inferiority). The first of all: promoted if that bound is above zero, against the best constant answer.
Whenever another move came first, and the champion is another by then, the judgement is made anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core import aliases, registry, signing, verdicts
from tasks.core.cache import borrow
from tasks.core.errors import Damaged, WrongRequest
from tasks.core.history import Move, State, Wish
from tasks.core.registry import Version
from tasks.core.settings import Settings
from tasks.core.store import Store
from tasks.core.transfer import download
from tasks.core.verdicts import MARGIN, Comparison, Decision, Verdict
from tasks.data.definition import recorded

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Request:
    """What is wanted, by whom. `versions` holds one version, or several that differ in their seed: the first is
    promoted. With `force` it is, whatever the verdict, and `reason` says why."""

    versions: tuple[Version, ...]
    alias: str
    by: str
    margin: float = MARGIN
    force: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """The move that was made, if one was, and the verdict, unless the alias pointed there already."""

    move: Move | None
    verdict: Verdict | None


def run(store: Store, known: Settings, request: Request) -> Outcome:
    """Judge, and move the alias if the verdict, or force, allows it."""
    first = request.versions[0]
    check(request)
    judged: dict[int | None, tuple[Verdict, str]] = {}
    last: list[Verdict] = []

    def wish(now: State) -> Wish | None:
        for version in request.versions:
            signing.require(store, version, known)
            if version.version in now.deleted:
                raise WrongRequest.of("model", version.label, "it was deleted")
        champion = now.aliases.get(request.alias)
        last.clear()
        if champion == first.version:
            return None
        if champion not in judged:
            verdict = judge(store, known, request, champion)
            judged[champion] = verdict, verdicts.keep(store, verdict)
        verdict, key = judged[champion]
        last.append(verdict)
        if verdict.decision == "refuse" and not request.force:
            return None
        forced = verdict.decision == "refuse"
        return Wish("promote", first.version, request.by, request.alias, request.reason, key, forced)

    move = aliases.move(store, first.name, wish)
    return Outcome(move, last[0] if last else None)


def check(request: Request) -> None:
    """Raise WrongRequest for what can never be promoted."""
    aliases.movable(request.alias)
    if request.force and not request.reason.strip():
        raise WrongRequest.of("reason", request.reason, "--force needs a --reason, which is recorded")
    if not 0 <= request.margin < 1:
        raise WrongRequest.of("margin", request.margin, "a difference of the metric, at least 0 and below 1")
    first = request.versions[0]
    for version in request.versions[1:]:
        if version.name != first.name or version.version == first.version:
            raise WrongRequest.of(
                "model", version.label, f"give other versions of {first.name}, trained from other seeds"
            )


def judge(store: Store, known: Settings, request: Request, champion: int | None) -> Verdict:
    """The verdict on the versions against that champion."""
    from tasks.models.compare import compare, constant

    first = request.versions[0]
    holder = registry.load(store, first.name, champion) if champion else None
    make = partial(_verdict, request, champion)
    if holder and (why := _not_comparable(request.versions, holder)):
        return make(None, "refuse", why)
    task = recorded(first.record)
    try:
        tables = [predictions(store, known, version) for version in (*request.versions, *([holder] if holder else []))]
    except WrongRequest as error:
        return make(None, "refuse", str(error))
    if any(not tables[0].select(["idx", "label"]).equals(other.select(["idx", "label"])) for other in tables[1:]):
        return make(None, "refuse", "they were evaluated on different examples")
    labels = tables[0]["label"].to_numpy()
    answers = [table["prediction"].to_numpy() for table in tables]
    against = answers.pop() if holder else constant(task, labels)
    found = compare(task, labels, against, answers)
    good = found.low >= -request.margin if holder else found.low > 0
    return make(found, "promote" if good else "refuse", _words(found, holder, request.margin, good))


def predictions(store: Store, known: Settings, version: Version) -> "pa.Table":
    """Index, label and prediction of each row of the version's first validation split, as they were registered."""
    import pyarrow.parquet as pq

    name = f"{recorded(version.record).validation[0].name}.parquet"
    chosen = [file for file in version.evidence if file.path == name]
    if not chosen:
        raise WrongRequest.of("model", version.label, f"it was registered without {name}; run its pipeline again")
    folder = f"models/{version.name}/evidence/{version.version}"

    def fetch(fresh: Path) -> None:
        for file, reason in download(store, fresh, {file: f"{folder}/{file.path}" for file in chosen}).items():
            registry.set_aside(store, f"{folder}/{file.path}")
            raise Damaged(f"model: {file.path} of {version.label} is damaged ({reason}); run its pipeline again")

    with borrow(known, f"models/{version.name}/predictions-{chosen[0].sha256[:16]}", chosen, fetch) as there:
        return pq.read_table(there / name, columns=["idx", "label", "prediction"])


def _not_comparable(versions: Sequence[Version], holder: Version) -> str:
    """Why they cannot be compared, or nothing."""
    for field, what in (("task", "tasks"), ("data", "data revisions")):
        found = {version.label: version.record.get(field) for version in (*versions, holder)}
        if len(set(map(str, found.values()))) > 1:
            told = ", ".join(f"{label} is from {value}" for label, value in found.items())
            return f"they come from different {what}: {told}; their metrics mean different things"
    return ""


def _words(found: Comparison, holder: Version | None, margin: float, good: bool) -> str:
    against = f"the champion {holder.label}" if holder else "the best constant answer"
    line = (
        f"{found.metric} {found.challenger:.4f} against {found.champion:.4f} of {against}: difference "
        f"{found.difference:+.4f}, 95 % interval {found.low:+.4f} to {found.high:+.4f} on {found.n} examples"
    )
    if holder is None:
        return f"{line}; that is {'better' if good else 'not shown to be better'}"
    if good:
        return f"{line}; worse by more than the margin of {margin:g} is ruled out"
    return f"{line}; it may be worse by more than the margin of {margin:g}"


def _verdict(
    request: Request, champion: int | None, numbers: Comparison | None, decision: Decision, reason: str
) -> Verdict:
    first = request.versions[0]
    return Verdict(
        name=first.name,
        version=first.version,
        versions=tuple(version.version for version in request.versions),
        alias=request.alias,
        champion=champion,
        data=str(first.record.get("data", "")),
        margin=request.margin,
        numbers=numbers,
        decision=decision,
        reason=reason,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        by=request.by,
    )
