"""The report of two versions of one task beside one another, on the same examples.

page(store, registry.find(store, "mrpc@3"), registry.find(store, "mrpc@champion"))  ->  Page("mrpc@3 against mrpc@1", …)
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.core.errors import WrongRequest
from tasks.core.explain import differences, fields, short
from tasks.core.registry import Version
from tasks.core.store import Store
from tasks.models.paired import paired
from tasks.pages import figures, mistakes, ranges
from tasks.pages.clean import clean
from tasks.pages.frame import Page, Section, Table
from tasks.pages.judged import Judged, judged
from tasks.pages.made import Made, of_version
from tasks.pages.ranges import Range
from tasks.pages.run import SYNTHETIC, warnings

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURE = 0.05  # two-sided p below which they are called different


def page(store: Store, one: Version, other: Version) -> Page:
    """What tells the two apart; raises WrongRequest if they were not judged on the same examples."""
    ours, theirs = of_version(store, one), of_version(store, other)
    if ours.task != theirs.task:
        raise WrongRequest.of("model", other.label, f"a version of {ours.task.name}, as {one.label} is")
    with judged(store, ours) as mine, judged(store, theirs) as said:
        split = ours.task.validation[0].name
        _same_examples(ours, theirs, mine[split], said[split])
        found = paired(ours.task, mine[split].labels, [mine[split].predictions], [said[split].predictions])
        tables = _disagreements(ours, theirs, mine[split], said[split])
    return Page(
        title=f"{ours.label} against {theirs.label}",
        lead=_verdict(ours, theirs, found),
        warnings=_warnings(ours, theirs),
        sections=(
            Section("Scores", "Intervals are 95 %. That of the difference is over the same examples (paired), so it is "
                    "narrower than the two scores suggest. It does not cover the choice of the seed.",
                    [*_scores(ours, theirs), _difference(found)]),
            Section("Where they disagree", f"On {split.replace('_', ' ')}.", tables=tables),
            Section("What they were made from", tables=[_made_from(ours, theirs)]),
        ),
    )  # fmt: skip


def _same_examples(ours: Made, theirs: Made, mine: Judged, said: Judged) -> None:
    data = [made.version.record["data"] for made in (ours, theirs)]
    if data[0] != data[1] or len(mine.labels) != len(said.labels) or (mine.labels != said.labels).any():
        allowed = f"a version that was judged on the data of {ours.label}, {data[0]}"
        raise WrongRequest.of("model", theirs.label, allowed)


def _verdict(ours: Made, theirs: Made, found: Mapping[str, Any]) -> str:
    told = f"{found['metric'].replace('_', ' ')} differs by {found['difference']:+.3f}, 95 % interval "
    told += f"{figures.between(found['interval'])}, p = {found['p']:.3f}, on {found['examples']:,} examples: "
    if found["p"] >= SURE:
        return f"{told}{ours.label} and {theirs.label} are not told apart"
    better, worse = (ours, theirs) if found["difference"] > 0 else (theirs, ours)
    return f"{told}{better.label} is better than {worse.label}"


def _warnings(ours: Made, theirs: Made) -> list[str]:
    said = [f"{made.label}: {line}" for made in (ours, theirs) for line in warnings(made) if line != SYNTHETIC]
    return [*([SYNTHETIC] if ours.synthetic else []), *said]


def _scores(ours: Made, theirs: Made) -> list[Any]:
    found = []
    for metric, value in ours.scores["metrics"].items():
        rows = [
            Range(ours.label, value, ours.scores["intervals"].get(metric)),
            Range(theirs.label, theirs.scores["metrics"][metric], theirs.scores["intervals"].get(metric), "champion"),
            Range("majority class", ours.scores["majority"][metric], kind="majority"),
        ]
        found.append(ranges.picture(rows, f"{metric.replace('_', ' ')} of each.", f"score-{metric}"))
    return found


def _difference(found: Mapping[str, Any]) -> Any:
    rows = [Range("difference", found["difference"], found["interval"])]
    return ranges.picture(rows, f"Difference in {found['metric'].replace('_', ' ')}.", "difference", zero=True)


def _disagreements(ours: Made, theirs: Made, mine: Judged, said: Judged) -> list[Table]:
    """How often each was right, and the examples that only one of them got wrong, by what the other was surest of."""
    if mine.confidence is None:
        return [
            mistakes.table(made.task, (), judged, f"furthest off: {made.label}")
            for made, judged in ((ours, mine), (theirs, said))
        ]
    right, their = mine.predictions == mine.labels, said.predictions == said.labels
    counts = [("both right", right & their), (f"only {ours.label} right", right & ~their),
              (f"only {theirs.label} right", ~right & their), ("both wrong", ~right & ~their)]  # fmt: skip
    whole = Table(("", "examples"), [(name, f"{held.sum():,}") for name, held in counts], numbers=("examples",))
    return [
        whole,
        _only(ours, mine, their, f"{ours.label} wrong, {theirs.label} right"),
        _only(theirs, said, right, f"{theirs.label} wrong, {ours.label} right"),
    ]


def _only(made: Made, said: Judged, other: "NDArray[Any]", caption: str) -> Table:
    return mistakes.table(made.task, made.task.labels, said, caption, among=other)


def _made_from(ours: Made, theirs: Made) -> Table:
    left, right = (fields({"data": made.version.record["data"], "checkpoint": made.version.record["checkpoint"],
                           "training": made.version.record["training"],
                           "libraries": made.version.record["libraries"]}) for made in (ours, theirs))  # fmt: skip
    rows = [(name, *(clean(short(value)) for value in two)) for name, two in differences(left, right).items()]
    nothing = "" if rows else "they differ in nothing that is recorded"
    return Table(("setting", ours.label, theirs.label), rows, nothing)
