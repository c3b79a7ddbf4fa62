"""The report of a backfill: what came of each slot, how the scores moved with the date, what slots shared.

page(store, find_ledger(store, "3f9c1a70b2d4"))  ->  Page("backfill 3f9c1a70b2d4", …)
"""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tasks.core.errors import WrongRequest
from tasks.core.ledger import Ledger, Slip
from tasks.core.manifest import Manifest, parse
from tasks.core.plan import PlannedStep, plan
from tasks.core.resolve import resolve_checkpoint, resolve_data
from tasks.core.specs import GlueRun
from tasks.core.store import Store
from tasks.pages import effort, figures, ink
from tasks.pages.clean import clean
from tasks.pages.frame import Page, Picture, Section, Table
from tasks.pages.run import SYNTHETIC

if TYPE_CHECKING:
    from matplotlib.figure import Figure

READERS = 8
MOST_LINES, MOST_ROWS = 40, 500
LOOK = {
    "done": (ink.BLUE, "o"),
    "submitted": (ink.ORANGE, "^"),
    "failed": (ink.VERMILION, "X"),
    "cancelled": (ink.PURPLE, "s"),
    "not submitted": (ink.QUIET, "."),
}


@dataclass(frozen=True)
class Slot:
    """A slot's request, its newest attempt, and the steps it stands for; none, and why, if they cannot be named now."""

    name: str
    request: GlueRun
    slip: Slip | None
    steps: tuple[PlannedStep, ...] = ()
    refused: str = ""

    @property
    def state(self) -> str:
        return self.slip.state if self.slip else "not submitted"

    @property
    def message(self) -> str:
        return clean((self.slip.message if self.slip else "") or self.refused)

    @property
    def line(self) -> str:
        """Whose slots stand in one line."""
        return f"{self.request.task} {self.request.checkpoint.rpartition('/')[2]} seed {self.request.seed}"


def page(store: Store, ledger: Ledger) -> Page:
    """All of a backfill as its ledger and the entries tell it now."""
    order = ledger.order()
    slots = _slots(ledger, order.asked.slots())
    entries = _entries(store, slots)
    states = Counter(slot.state for slot in slots)
    told = order.asked
    facts = {
        "from": str(told.from_), "to": str(told.to), "every": told.every, "tasks": ", ".join(told.tasks),
        "seeds": ", ".join(map(str, told.seeds)), "data": told.data, "standing": ledger.standing(),
        "asked for": order.created,
    }  # fmt: skip
    return Page(
        title=f"backfill {ledger.id}",
        lead=f"{states['done']:,} of {len(slots):,} slots are done",
        facts={name: clean(value) for name, value in facts.items()},
        warnings=[SYNTHETIC] if told.data.startswith("sample:") else [],
        sections=(
            Section("Slots", "", [_grid(slots), *_scores(slots, entries)], [_table(slots)]),
            Section("Time and bytes", "A step that several slots share is built once.", _effort(slots, entries)),
        ),
    )


def _slots(ledger: Ledger, requests: Mapping[str, GlueRun]) -> list[Slot]:
    data_of, checkpoint_of = cache(resolve_data), cache(resolve_checkpoint)
    slips, found = ledger.slips(), []
    for name, request in requests.items():
        try:
            steps = plan(request, data_of, checkpoint_of).steps
            found.append(Slot(name, request, slips.get(name), steps))
        except WrongRequest as error:
            found.append(Slot(name, request, slips.get(name), refused=str(error)))
    return found


def _entries(store: Store, slots: list[Slot]) -> dict[str, Manifest]:
    """Those that are there, by key."""
    steps = list({step.key: step for slot in slots for step in slot.steps}.values())
    with ThreadPoolExecutor(READERS) as pool:
        bodies = list(pool.map(lambda step: store.get(f"{step.folder}/manifest.json"), steps))
    parsed = [parse(body, step.step, step.key) for step, body in zip(steps, bodies, strict=True) if body]
    return {entry.key: entry for entry in parsed if isinstance(entry, Manifest)}


def _grid(slots: list[Slot]) -> Picture:
    """A mark a slot: its date across, what else it is from top to bottom."""
    lines = list(dict.fromkeys(slot.line for slot in slots))[:MOST_LINES]
    shown = [slot for slot in slots if slot.line in lines]

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for state, (colour, mark) in LOOK.items():
            if held := [slot for slot in shown if slot.state == state]:
                places = [lines.index(slot.line) for slot in held]
                axes.plot(_days(held), places, mark, color=colour, markersize=7, label=state, linestyle="none")
        axes.set_yticks(range(len(lines)), [clean(line, 34) for line in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.margins(x=0.06)
        axes.tick_params(axis="x", rotation=30)
        figure.legend(loc="outside upper center", ncols=3)
        ink.plain(axes)

    states = Counter(slot.state for slot in slots)
    rows = [(state, f"{states[state]:,}") for state in LOOK if states[state]]
    more = "" if len(shown) == len(slots) else f" The first {MOST_LINES} lines are drawn."
    drawing = ink.svg(draw, 6.0, 1.6 + 0.28 * len(lines), "slots", "What came of each slot, by date")
    return Picture(drawing, f"What came of each slot.{more}", Table(("state", "slots"), rows, numbers=("slots",)))


def _days(slots: list[Slot]) -> list[str]:
    import numpy as np

    return list(np.array([str(slot.request.as_of) for slot in slots], "datetime64[D]"))


def _scores(slots: list[Slot], entries: Mapping[str, Manifest]) -> list[Picture]:
    """The headline metric by date, a picture a task."""
    found = []
    for task in dict.fromkeys(slot.request.task for slot in slots):
        scored = [(slot, entry) for slot in slots if slot.request.task == task and (entry := _judged(slot, entries))]
        if scored:
            found.append(_by_date(task, scored))
    return found


def _judged(slot: Slot, entries: Mapping[str, Manifest]) -> Manifest | None:
    return next((entries[step.key] for step in slot.steps if step.step == "evaluate" and step.key in entries), None)


def _by_date(task: str, scored: list[tuple[Slot, Manifest]]) -> Picture:
    metric = next(iter(scored[0][1].facts["metrics"]))
    lines = list(dict.fromkeys(slot.line for slot, _ in scored))

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for number, line in enumerate(lines):
            held = [(slot, entry) for slot, entry in scored if slot.line == line]
            values = [entry.facts["metrics"][metric] for _, entry in held]
            look: dict[str, Any] = {"color": ink.HUES[number % len(ink.HUES)], "markersize": 5}
            mark = ink.MARKS[number % len(ink.MARKS)]
            axes.plot(_days([slot for slot, _ in held]), values, f"{mark}-", label=clean(line, 34), **look)
        axes.set_ylabel(metric.replace("_", " "))
        axes.tick_params(axis="x", rotation=30)
        axes.margins(0.08, 0.2)
        if len(lines) <= len(ink.HUES):
            figure.legend(loc="outside upper center", ncols=2)
        ink.plain(axes)

    rows = [
        (str(slot.request.as_of), slot.line, figures.score(entry.facts["metrics"][metric])) for slot, entry in scored
    ]
    drawing = ink.svg(draw, 5.2, 3.4, f"score-{task}", f"{metric} by date")
    return Picture(drawing, f"{task}: {metric.replace('_', ' ')} by date.",
                   Table(("date", "run", metric), rows[:MOST_ROWS], numbers=(metric,)))  # fmt: skip


def _table(slots: list[Slot]) -> Table:
    rows = [
        (slot.name, slot.state, str(slot.slip.attempt) if slot.slip else "", slot.message) for slot in slots[:MOST_ROWS]
    ]
    more = f"the first {MOST_ROWS} of {len(slots):,} slots" if len(slots) > MOST_ROWS else ""
    return Table(("slot", "state", "attempt", "message"), rows, more, ("attempt",))


def _effort(slots: list[Slot], entries: Mapping[str, Manifest]) -> list[Picture]:
    """What the entries took, and what it saved that slots share them."""
    times = Counter(step.key for slot in slots if slot.state == "done" for step in slot.steps)
    if not entries:
        return []
    steps, saved = effort.of_many(entries.values(), times)
    return effort.pictures(steps, "effort", saved)
