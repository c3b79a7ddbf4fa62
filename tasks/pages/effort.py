"""What each step took and moved, and what the cache saved.

    spent(entries, {"9b1d…": 3})  ->  [Spent("encode", seconds=1.9, read=310_000, written=520_000, asked=3), …]

A step is built once, however many runs ask for it; each further run on record was spared its seconds and its bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tasks.core.manifest import Manifest
from tasks.core.specs import STEPS
from tasks.pages import figures, ink
from tasks.pages.frame import Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Spent:
    """One step: seconds that building it took, bytes that it read of earlier steps and wrote, and how many runs on
    record asked for it."""

    step: str
    seconds: float
    read: int
    written: int
    asked: int

    @property
    def spared(self) -> int:
        """Runs that found it there."""
        return max(0, self.asked - 1)

    @property
    def saved(self) -> float:
        """Seconds."""
        return self.spared * self.seconds


def spent(entries: Mapping[str, Manifest], asked: Mapping[str, int]) -> list[Spent]:
    """One run's steps by their names here, in the order in which they were made."""
    written = {entry.key: sum(file.size for file in entry.files) for entry in entries.values()}
    return [
        Spent(
            name,
            entry.seconds,
            sum(written.get(key, 0) for key in entry.identity["inputs"].values()),
            written[entry.key],
            asked.get(entry.key, 0),
        )
        for name, entry in entries.items()
    ]


def of_many(entries: Iterable[Manifest], asked: Mapping[str, int]) -> tuple[list[Spent], list[float]]:
    """Many runs' entries, each once, added up by step; beside them the seconds that the cache saved of each step."""
    distinct = {entry.key: entry for entry in entries}
    found: dict[str, tuple[Spent, float]] = {}
    for each in sorted(_each(distinct, asked), key=lambda each: STEPS.index(each.step)):
        had, saved = found.get(each.step, (Spent(each.step, 0, 0, 0, 0), 0.0))
        total = Spent(
            each.step,
            had.seconds + each.seconds,
            had.read + each.read,
            had.written + each.written,
            had.asked + each.asked,
        )
        found[each.step] = total, saved + each.saved
    return [total for total, _ in found.values()], [saved for _, saved in found.values()]


def _each(distinct: Mapping[str, Manifest], asked: Mapping[str, int]) -> list[Spent]:
    return [replace(one, step=distinct[one.step].step) for one in spent(distinct, asked)]


def pictures(steps: Sequence[Spent], name: str, saved: Sequence[float] | None = None) -> list[Picture]:
    """Seconds by step beside those that were saved, and bytes."""
    spares = [each.saved for each in steps] if saved is None else saved
    seconds = [each.seconds for each in steps]
    names = [each.step for each in steps]
    columns = ("step", "seconds", "runs that asked", "saved by the cache")
    told = [
        (each.step, f"{each.seconds:.1f}", f"{each.asked:,}", f"{spare:.1f}")
        for each, spare in zip(steps, spares, strict=True)
    ]
    time = Picture(
        _bars(names, {"built": seconds, "saved": spares}, "seconds", f"{name}-time"),
        f"Time by step: {figures.took(sum(seconds))} to build. {_spared(sum(spares))}",
        Table(columns, told, numbers=columns[1:]),
    )
    read, written = [each.read / 1e6 for each in steps], [each.written / 1e6 for each in steps]
    moved = [(each.step, figures.size(each.read), figures.size(each.written)) for each in steps]
    total = (
        f"{figures.size(sum(each.read for each in steps))} read, {figures.size(sum(each.written for each in steps))}"
    )
    caption = f"Bytes by step: {total} written. What is read lies on the machine already if it was built there."
    drawing = _bars(names, {"read": read, "written": written}, "MB", f"{name}-bytes")
    return [time, Picture(drawing, caption, Table(("step", "read", "written"), moved, numbers=("read", "written")))]


def _spared(seconds: float) -> str:
    saved = f"The cache saved further runs {figures.took(seconds)}."
    return saved if seconds else "No further run on record has asked for it yet."


def _bars(names: Sequence[str], series: Mapping[str, Sequence[float]], unit: str, name: str) -> str:
    """Horizontal bars, two a step."""

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        looks = ((ink.BLUE, -0.2, None), (ink.ORANGE, 0.2, "////"))
        for (label, values), (colour, shift, hatch) in zip(series.items(), looks, strict=True):
            places = [place + shift for place in range(len(names))]
            axes.barh(
                places,
                values,
                0.36,
                color=colour,
                alpha=0.8,
                label=label,
                hatch=hatch,
                edgecolor=colour,
                fill=not hatch,
            )
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(unit)
        axes.legend(loc="best")
        ink.plain(axes)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)

    return ink.svg(draw, 5.2, 3.2, name, f"{unit} by step")
