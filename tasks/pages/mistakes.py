"""The examples that a model got most wrong: text, label, prediction, confidence.

table(task, labels, judged, "worst errors")  ->  Table of the 20 wrong ones that the model was surest of

For a regression those furthest from their score. Texts are cut and cleaned: they are anybody's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.core.catalog import GlueTask
from tasks.pages import figures
from tasks.pages.clean import clean
from tasks.pages.frame import Table
from tasks.pages.judged import Judged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN = 20


def table(
    task: GlueTask, labels: Sequence[str], said: Judged, caption: str, among: "NDArray[np.bool_] | None" = None
) -> Table:
    """The worst first, only `among` those `(examples,)` if given; rows that are as bad stand in their order."""
    import numpy as np

    if said.confidence is None:
        badness = np.abs(said.predictions.astype(float) - said.labels)
        order = np.argsort(-badness, kind="stable")
        last = "error"
    else:
        held = said.predictions != said.labels
        wrong = np.flatnonzero(held if among is None else held & among)
        order = wrong[np.argsort(-said.confidence[wrong], kind="stable")]
        badness, last = said.confidence, "confidence"
    worst = order[:SHOWN].tolist()
    texts = said.texts.take(np.array(worst, int)).to_pylist()
    rows = [
        (
            str(row),
            *(clean(text[name]) for name in task.text),
            _named(said.labels[row], labels),
            _named(said.predictions[row], labels),
            figures.score(float(badness[row])),
        )
        for row, text in zip(worst, texts, strict=True)
    ]
    numbers = ("row", last, *(() if labels else ("label", "prediction")))
    count = f"{len(order):,} wrong of {len(said.labels):,}" if labels else f"{len(said.labels):,} examples"
    return Table(("row", *task.text, "label", "prediction", last), rows, f"{caption} ({count})", numbers)


def _named(value: float, labels: Sequence[str]) -> str:
    return clean(labels[int(value)]) if labels else f"{value:.2f}"
