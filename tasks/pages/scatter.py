"""The scores of a regression against the true ones, a point an example; on the dashed line they are the same.

picture(true, predicted, "scores")
"""

from typing import TYPE_CHECKING, Any

from tasks.pages import figures, ink
from tasks.pages.frame import Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

MOST = 2000  # points; of more, every so manieth is drawn


def picture(true: "NDArray[Any]", predicted: "NDArray[Any]", name: str) -> Picture:
    """Predicted against true score, and the mean error between whole scores."""
    stride = -(-len(true) // MOST)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.axline((0, 0), slope=1, color=ink.QUIET, linestyle="--", linewidth=1)
        look: dict[str, Any] = {"markersize": 4.5, "alpha": 0.4, "markeredgewidth": 0, "color": ink.BLUE}
        axes.plot(true[::stride], predicted[::stride], "o", **look)
        axes.set(xlabel="true score", ylabel="predicted score")
        ink.plain(axes)

    rows = []
    for low in range(int(true.min()), int(true.max()) + 1):
        held = (true >= low) & (true < low + 1)
        if held.any():
            off = predicted[held] - true[held]
            said = figures.score(float(predicted[held].mean()))
            rows.append((f"{low} to {low + 1}", f"{held.sum():,}", said, figures.score(float(abs(off).mean()))))
    columns = ("true score", "examples", "mean prediction", "mean error")
    caption = "Predicted against true scores; dashed: the same." + (f" One of {stride} is drawn." if stride > 1 else "")
    drawing = ink.svg(draw, 4.6, 4.2, name, "Predicted against true scores")
    return Picture(drawing, caption, Table(columns, rows, numbers=columns[1:]))
