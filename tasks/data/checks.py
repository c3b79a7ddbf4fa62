"""What the data are like and what is odd about them, counted while they pass; the report of a fetch.

    {"splits": {"train": {"rows": 3668, "longest_text": 226, "labels": {"not_equivalent": 1194, …}}, …},
     "odd": [{"what": "empty text", "splits": ["train"], "count": 2, "examples": [[12], [980]]}, …]}

Examples are `idx` of rows. What is odd is only reported; what no training can come of is refused (`verdict`), and so is
each row that cannot be trusted, before it comes here (`tasks/data/table.py`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.catalog import GlueTask, Split
from tasks.core.errors import BadData
from tasks.data.duplicates import EXAMPLES, Duplicates

LONG = 100_000  # bytes; GLUE's longest text has some 3,000


class Checks:
    """Watches the batches of every split."""

    def __init__(self, task: GlueTask, scratch: Path) -> None:
        self.task = task
        self.duplicates = Duplicates(scratch)
        self.splits: dict[str, dict[str, Any]] = {}
        self.odd: list[dict[str, Any]] = []

    def watched(self, split: Split, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches, each looked at on its way."""
        empty, long = _Tally("empty text", split.name), _Tally(f"text over {LONG:,} bytes", split.name)
        labels: Counter[float] = Counter()
        least, greatest, total, rows, longest = np.inf, -np.inf, 0.0, 0, 0
        for batch in batches:
            texts = [batch[name] for name in self.task.text]
            values = batch["label"].to_numpy(zero_copy_only=False)
            for text in texts:
                size = pc.binary_length(text.cast(pa.binary()))
                longest = max(longest, pc.max(size).as_py())
                empty.add(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(text)), 0), rows)
                long.add(pc.greater(size, LONG), rows)
            if self.task.is_regression:
                least, greatest = min(least, values.min()), max(greatest, values.max())
                total += float(values.sum(dtype=np.float64))
            else:
                labels.update(values.tolist())
            self.duplicates.add(split.name, texts, values)
            rows += batch.num_rows
            yield batch
        self.splits[split.name] = {"rows": rows, "longest_text": longest}
        if split.labelled and self.task.is_regression:
            scores = {"least": float(least), "greatest": float(greatest), "mean": total / rows}
            self.splits[split.name]["scores"] = scores
        elif split.labelled:
            self.splits[split.name]["labels"] = {name: labels[at] for at, name in enumerate(self.task.labels)}
        self.odd += [tally.entry() for tally in (empty, long) if tally.count]

    def verdict(self) -> None:
        """Raise BadData if there is nothing to learn: one class, or one score, in all of the training set."""
        for split in self.task.splits:
            seen = self.splits[split.name]
            classes = [name for name, count in seen.get("labels", {}).items() if count]
            scores = seen.get("scores", {"least": 0, "greatest": 1})
            if split.labelled and (len(classes) == 1 or scores["least"] == scores["greatest"]):
                only = classes[0] if classes else scores["least"]
                if split.name == "train":
                    raise BadData(f"data: every row of train has the label {only}; at least two labels are needed")
                self.odd.append({"what": f"only {only}", "splits": [split.name], "count": seen["rows"], "examples": []})

    def report(self) -> dict[str, Any]:
        """All that was seen, once every split has passed."""
        return {"splits": self.splits, "odd": self.odd + self.duplicates.found()}


class _Tally:
    """How many rows have something odd about them, and which the first of them are."""

    def __init__(self, what: str, split: str) -> None:
        self.what, self.split, self.count = what, split, 0
        self.rows: list[int] = []

    def add(self, odd: pa.Array, start: int) -> None:
        self.count += pc.sum(odd).as_py() or 0
        if len(self.rows) < EXAMPLES:
            at = np.flatnonzero(odd.to_numpy(zero_copy_only=False))[: EXAMPLES - len(self.rows)]
            self.rows += (at + start).tolist()

    def entry(self) -> dict[str, Any]:
        examples = [[row] for row in self.rows]
        return {"what": self.what, "splits": [self.split], "count": self.count, "examples": examples}
