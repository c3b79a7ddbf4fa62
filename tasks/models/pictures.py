"""The pictures of a model card, as PNG: the same bytes for the same figures, whoever draws them and when.

    training_curve(history, "f1")          how the loss fell and the headline metric rose, epoch by epoch
    confusion({"validation": counts}, labels)    what was taken for what, (true, predicted), one panel a split
    scatter({"validation": (true, predicted)})   the scores of a regression against the true ones

Colours are those of Okabe and Ito, which colour-blind readers tell apart; line and marker say the same once more.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#666666"
LONGEST_LABEL = 24  # characters
FEW = 20  # points


def training_curve(history: Sequence[Mapping[str, float]], metric: str) -> bytes:
    """Losses of the training and the validation set above, the metric below, its best one marked."""
    trained = [(entry["epoch"], entry["loss"]) for entry in history if "loss" in entry]
    judged = [entry for entry in history if "eval_loss" in entry]
    epochs = [entry["epoch"] for entry in judged]
    scores = [entry[f"eval_{metric}"] for entry in judged]

    def draw(figure: "Figure") -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        if trained:
            dot = "." if len(trained) < FEW else ""  # a line needs two points
            above.plot(*zip(*trained, strict=True), color=BLUE, linewidth=1.2, marker=dot, label="training")
        losses = [entry["eval_loss"] for entry in judged]
        above.plot(epochs, losses, "s--", color=VERMILION, markersize=5, label="validation")
        above.set_ylabel("loss")
        above.legend(frameon=False)
        below.plot(epochs, scores, "o-", color=BLUE, markersize=5)
        best = scores.index(max(scores))
        kept = {"markersize": 11, "fillstyle": "none", "markeredgewidth": 2, "linestyle": "none"}
        below.plot(epochs[best], scores[best], "o", color=VERMILION, label=f"kept: {scores[best]:.3f}", **kept)
        below.margins(0.08, 0.25)
        below.legend(frameon=False)
        below.set_ylabel(metric.replace("_", " "))
        below.set_xlabel("epoch")
        below.set_xticks(range(round(max(epochs)) + 1) if max(epochs) <= 20 else below.get_xticks())
        for axes in (above, below):
            _plain(axes)

    return _png(draw, 6.4, 4.8)


def confusion(splits: Mapping[str, "NDArray[np.int64]"], labels: Sequence[str]) -> bytes:
    """How many examples of each true label (a row) were given each label (a column); per cent are of the row."""
    shown = [label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…" for label in labels]

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(1, len(splits), squeeze=False)[0]
        for axes, (split, counts) in zip(panels, splits.items(), strict=True):
            shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
            axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            for row, column in [(i, j) for i in range(len(labels)) for j in range(len(labels))]:
                share = shares[row, column]
                said = f"{counts[row, column]:,}\n{share:.0%}"
                axes.text(column, row, said, ha="center", va="center", color="white" if share > 0.6 else "black")
            axes.set_xticks(range(len(labels)), shown, parse_math=False)
            axes.set_yticks(range(len(labels)), shown, parse_math=False, rotation=90, va="center")
            axes.set_xlabel("predicted")
            axes.set_ylabel("true")
            axes.set_title(split, parse_math=False)

    width = max(3.2, 1.5 * len(labels) + 0.6)
    return _png(draw, width * len(splits), width + 0.5)


def scatter(splits: Mapping[str, "tuple[NDArray[Any], NDArray[Any]]"]) -> bytes:
    """Predicted against true score, a point an example; on the dashed line they are the same."""

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(1, len(splits), squeeze=False)[0]
        for axes, (split, (true, predicted)) in zip(panels, splits.items(), strict=True):
            axes.axline((0, 0), slope=1, color=GREY, linestyle="--", linewidth=1)
            axes.plot(true, predicted, "o", color=BLUE, markersize=4, alpha=0.35, markeredgewidth=0)
            axes.set_xlabel("true score")
            axes.set_ylabel("predicted score")
            axes.set_title(split, parse_math=False)
            _plain(axes)

    return _png(draw, 4.8 * len(splits), 4.4)


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)


def _png(draw: Any, width: float, height: float) -> bytes:
    """What `draw(figure)` draws, so many inches wide and high; a person's own matplotlibrc does not reach it."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        body = io.BytesIO()
        figure.savefig(body, format="png", dpi=120, metadata={"Software": None})  # the version would change the bytes
    return body.getvalue()
