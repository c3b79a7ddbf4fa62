"""Whether a model is right as often as it is sure: accuracy by the probability of the predicted class.

bins(confidence, right)  ->  [Bin(0.5, 0.6, examples=31, confidence=0.552, accuracy=0.484), …]

The expected calibration error is the mean distance of the two, weighted by examples (Guo et al. 2017, section 2).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.pages import figures, ink
from tasks.pages.frame import Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Examples whose confidence is above `low` and at most `high`."""

    low: float
    high: float
    examples: int
    confidence: float
    accuracy: float


def bins(confidence: "NDArray[Any]", right: "NDArray[Any]") -> list[Bin]:
    """Bins of equal width that hold an example."""
    import numpy as np

    number = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    found = []
    for index in range(BINS):
        held = number == index
        if held.any():
            means = float(confidence[held].mean()), float(right[held].mean())
            found.append(Bin(index / BINS, (index + 1) / BINS, int(held.sum()), *means))
    return found


def error(found: list[Bin]) -> float:
    """The expected calibration error, 0 to 1."""
    total = sum(each.examples for each in found)
    return sum(each.examples * abs(each.confidence - each.accuracy) for each in found) / total


def picture(confidence: "NDArray[Any]", right: "NDArray[Any]", name: str) -> Picture:
    """Accuracy by confidence above, how many examples below."""
    found = bins(confidence, right)

    def draw(figure: "Figure") -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot((0, 1), (0, 1), "--", color=ink.QUIET, linewidth=1, label="as sure as right")
        above.plot([each.confidence for each in found], [each.accuracy for each in found], "o-", color=ink.BLUE)
        above.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="accuracy")
        above.legend(loc="upper left")
        middles = [(each.low + each.high) / 2 for each in found]
        below.bar(middles, [each.examples for each in found], width=0.9 / BINS, color=ink.BLUE, alpha=0.6)
        below.set(xlabel="confidence", ylabel="examples")
        for axes in (above, below):
            ink.plain(axes)

    columns = ("confidence", "examples", "mean confidence", "accuracy")
    rows = [
        (f"{each.low:.1f} to {each.high:.1f}", f"{each.examples:,}", figures.score(each.confidence),
         figures.score(each.accuracy)) for each in found
    ]  # fmt: skip
    caption = f"Reliability; expected calibration error {error(found):.3f}."
    drawing = ink.svg(draw, 4.6, 4.2, name, "Accuracy by confidence")
    return Picture(drawing, caption, Table(columns, rows, numbers=columns[1:]))
