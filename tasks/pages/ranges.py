"""Scores with their intervals under one another, beside what others published and the champion.

picture([Range("this version", 0.897, (0.872, 0.920)), Range("bert-base-cased", 0.881, kind="published")], "F1", "f1")
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tasks.pages import figures, ink
from tasks.pages.clean import clean
from tasks.pages.frame import Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["ours", "seed", "champion", "published", "majority"]
LOOK: dict[Kind, tuple[str, str]] = {
    "ours": (ink.BLUE, "o"),
    "seed": (ink.BLUE, "."),
    "champion": (ink.VERMILION, "s"),
    "published": (ink.GREEN, "D"),
    "majority": (ink.QUIET, "|"),
}
LONGEST = 26  # characters of a name


@dataclass(frozen=True)
class Range:
    """A score, the ends of its 95 % interval if it has one, and whose it is."""

    name: str
    score: float
    interval: Sequence[float] | None = None
    kind: Kind = "ours"


def picture(rows: Sequence[Range], caption: str, name: str, zero: bool = False) -> Picture:
    """One line a score. With `zero` the scores are differences, and a line stands where there is none."""

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        if zero:
            axes.axvline(0, color=ink.QUIET, linestyle="--", linewidth=1)
        for place, row in enumerate(rows):
            colour, mark = LOOK[row.kind]
            if row.interval:
                axes.plot(row.interval, [place, place], "-", color=colour, linewidth=2.2, alpha=0.6)
            size = 12 if mark in "|." else 7
            axes.plot(row.score, place, mark, color=colour, markersize=size, markeredgewidth=2 if mark == "|" else 1)
        axes.set_yticks(range(len(rows)), [clean(row.name, LONGEST) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.margins(0.05)
        ink.plain(axes)
        axes.tick_params(axis="y", length=0)

    columns = ("", "score", "95 % interval")
    told = [(clean(row.name), figures.score(row.score), figures.between(row.interval)) for row in rows]
    drawing = ink.svg(draw, 5.2, 0.9 + 0.34 * len(rows), name, caption)
    return Picture(drawing, caption, Table(columns, told, numbers=columns[1:]))
