"""How a training went: the losses by epoch, and the metrics on the validation set.

losses(history, "loss")  ->  Picture of {"epoch": 0.5, "loss": 0.62} and {"epoch": 1.0, "eval_loss": 0.55, …}
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.pages import figures, ink
from tasks.pages.frame import Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

History = Sequence[Mapping[str, float]]
FEW = 20  # points; a line of fewer shows each


def losses(history: History, name: str) -> Picture:
    """The loss of the training and of the validation set."""
    trained = [(entry["epoch"], entry["loss"]) for entry in history if "loss" in entry]
    judged = [(entry["epoch"], entry["eval_loss"]) for entry in history if "eval_loss" in entry]

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        if trained:
            mark = "o" if len(trained) < FEW else ""
            axes.plot(*zip(*trained, strict=True), mark + "-", color=ink.BLUE, markersize=4, label="training")
        if judged:
            axes.plot(*zip(*judged, strict=True), "s--", color=ink.VERMILION, markersize=5, label="validation")
        axes.set(xlabel="epoch", ylabel="loss")
        axes.legend()
        ink.plain(axes)

    rows = [("training", f"{epoch:.2f}", f"{loss:.4f}") for epoch, loss in trained]
    rows += [("validation", f"{epoch:.2f}", f"{loss:.4f}") for epoch, loss in judged]
    table = Table(("set", "epoch", "loss"), rows, numbers=("epoch", "loss"))
    return Picture(ink.svg(draw, 5.2, 3.2, name, "Loss by epoch"), "Loss by epoch.", table)


def metrics(history: History, names: Sequence[str], best: float | None, name: str) -> Picture:
    """Each metric after each evaluation; the epoch that was kept is marked."""
    judged = [entry for entry in history if "eval_loss" in entry]
    epochs = [entry["epoch"] for entry in judged]
    known = [metric for metric in names if judged and f"eval_{metric}" in judged[0]]

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for number, metric in enumerate(known):
            scores = [entry[f"eval_{metric}"] for entry in judged]
            label = metric.replace("_", " ")
            axes.plot(epochs, scores, ink.MARKS[number] + "-", color=ink.HUES[number], markersize=5, label=label)
        if best is not None:
            axes.axvline(best, color=ink.QUIET, linestyle=":", linewidth=1.2, label="kept")
        axes.margins(y=0.2)
        axes.set_xlim(0, 1.05 * max(epochs, default=1))
        axes.set(xlabel="epoch", ylabel="score")
        axes.legend()
        ink.plain(axes)

    rows = [
        (f"{entry['epoch']:.2f}", *(figures.score(entry[f"eval_{metric}"]) for metric in known)) for entry in judged
    ]
    table = Table(("epoch", *known), rows, numbers=("epoch", *known))
    kept = "" if best is None else f"; epoch {best:g} was kept"
    return Picture(ink.svg(draw, 5.2, 3.2, name, "Metrics by epoch"), f"Metrics on the validation set{kept}.", table)
