"""What was taken for what: examples of each true label (a row) by the label they were given (a column).

picture(labels, predictions, ("not_equivalent", "equivalent"), "confusion")  ->  [[61, 33], [14, 148]]
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasks.models.metrics import confusion
from tasks.pages import ink
from tasks.pages.clean import clean
from tasks.pages.frame import Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

LONGEST = 20  # characters of a label
DEEPEST = 0.55  # of a cell's colour, so that ink stays readable on it


def picture(true: "NDArray[Any]", given: "NDArray[Any]", labels: Sequence[str], name: str) -> Picture:
    """Counts, and their per cent of the row, which also shades the cell."""
    found = confusion(true, given, len(labels))
    shares = found / found.sum(axis=1, keepdims=True).clip(1)
    shown = [clean(label, LONGEST) for label in labels]
    places = [(row, column) for row in range(len(labels)) for column in range(len(labels))]

    def draw(figure: "Figure") -> None:
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        for row, column in places:
            share = shares[row, column]
            cell = Rectangle((column - 0.49, row - 0.49), 0.98, 0.98, facecolor=ink.BLUE, alpha=DEEPEST * share)
            axes.add_patch(cell)
            axes.text(column, row, f"{found[row, column]:,}\n{share:.0%}", ha="center", va="center")
        ends = (-0.5, len(labels) - 0.5)
        axes.set(xlim=ends, ylim=ends[::-1], xlabel="predicted", ylabel="true", aspect="equal")
        axes.set_xticks(range(len(labels)), shown)
        axes.set_yticks(range(len(labels)), shown, rotation=90, va="center")
        axes.patch.set_visible(False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    rows = [(shown[row], *(f"{count:,}" for count in found[row])) for row in range(len(labels))]
    table = Table(("true", *(f"predicted {label}" for label in shown)), rows)
    wide = max(3.4, 1.25 * len(labels) + 0.8)
    drawing = ink.svg(draw, wide, wide, name, "Confusion matrix")
    return Picture(drawing, "What was taken for what; per cent are of the row.", table)
