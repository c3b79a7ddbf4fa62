"""How good a model is on short and on long texts, and how many there are of each; in tokens, as the model read them.

by_length(task, judged)  ->  [Band(9, 24, examples=82, score=0.91, interval=[0.84, 0.96]), …]

Each band has about as many examples; its interval is over them (BCa).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.core.catalog import GlueTask
from tasks.pages import figures, ink
from tasks.pages.frame import Picture, Table
from tasks.pages.judged import Judged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BANDS = 5
FEWEST = 8  # examples of a band; of fewer no score is told


@dataclass(frozen=True)
class Band:
    """Examples of `low` to `high` tokens, and their score in the headline metric."""

    low: int
    high: int
    examples: int
    score: float
    interval: Sequence[float] | None


def by_length(task: GlueTask, said: Judged) -> list[Band]:
    """Up to five bands, the shortest first."""
    import numpy as np

    from tasks.models.intervals import intervals
    from tasks.models.metrics import scores

    edges = np.unique(np.quantile(said.tokens, np.linspace(0, 1, BANDS + 1)).round().astype(int))
    found = []
    for low, high in zip([edges[0] - 1, *edges[1:-1]], edges[1:] if len(edges) > 1 else edges, strict=True):
        held = (said.tokens > low) & (said.tokens <= high)
        if held.sum() >= FEWEST:
            predicted, labels = said.predictions[held], said.labels[held]
            value, ends = scores(task, predicted, labels)[task.headline], intervals(task, predicted, labels)
            found.append(Band(int(low) + 1, int(high), int(held.sum()), value, ends[task.headline]))
    return found


def score_picture(task: GlueTask, said: Judged, name: str) -> Picture:
    """The headline metric by length."""
    found = by_length(task, said)
    metric = task.headline.replace("_", " ")

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for place, band in enumerate(found):
            if band.interval:
                axes.plot([place, place], band.interval, "-", color=ink.BLUE, linewidth=2, alpha=0.6)
            axes.plot(place, band.score, "o", color=ink.BLUE, markersize=7)
        axes.set_xticks(range(len(found)), [f"{band.low}–{band.high}" for band in found])
        axes.margins(0.12, 0.1)
        axes.set(xlabel="tokens", ylabel=metric)
        ink.plain(axes)

    columns = ("tokens", "examples", metric, "95 % interval")
    rows = [
        (f"{band.low} to {band.high}", f"{band.examples:,}", figures.score(band.score), figures.between(band.interval))
        for band in found
    ]
    drawing = ink.svg(draw, 5.2, 3.2, name, f"{metric} by length")
    return Picture(drawing, f"{metric} by length, with 95 % intervals.", Table(columns, rows, numbers=columns[1:]))


def histogram(said: Judged, name: str) -> Picture:
    """How many examples there are of each length."""
    import numpy as np

    bars = min(24, int(said.tokens.max() - said.tokens.min()) + 1)
    counts, edges = np.histogram(said.tokens, bins=bars)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.bar(edges[:-1], counts, width=np.diff(edges) * 0.92, align="edge", color=ink.BLUE, alpha=0.7)
        axes.set(xlabel="tokens", ylabel="examples")
        ink.plain(axes)

    tokens = said.tokens
    middle = np.percentile(tokens, (50, 95))
    rows = [
        ("shortest", f"{tokens.min():,}"),
        ("median", f"{middle[0]:,.0f}"),
        ("95 % have at most", f"{middle[1]:,.0f}"),
    ]
    rows.append(("longest", f"{tokens.max():,}"))
    drawing = ink.svg(draw, 5.2, 3.2, name, "How long the examples are")
    return Picture(drawing, "How long the examples are.", Table(("", "tokens"), rows, numbers=("tokens",)))
