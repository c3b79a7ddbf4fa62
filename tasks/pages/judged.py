"""What a model said of each validation example, beside the example: read from the entries of its run.

    with judged(store, made) as splits:  ->  {"validation": Judged(labels, predictions, confidence, tokens, texts)}

Of each entry only the files of the validation splits are fetched, into a scratch folder, and checked by their digests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tasks.core.errors import BadData, Damaged
from tasks.core.manifest import Manifest
from tasks.core.store import Store, object_key
from tasks.core.transfer import download
from tasks.pages.made import Made

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Judged:
    """One split; every array is `(examples,)`. `confidence` is the probability of the predicted class, None for a
    regression; `tokens` is what the model read of each example; `texts` has the task's columns, by memory map."""

    labels: "NDArray[Any]"
    predictions: "NDArray[Any]"
    confidence: "NDArray[np.float64] | None"
    tokens: "NDArray[np.int64]"
    texts: "pa.Table"


@contextmanager
def judged(store: Store, made: Made) -> Iterator[dict[str, Judged]]:
    """Each validation split, the one that decides first. The texts are there within the block."""
    with TemporaryDirectory() as scratch:
        found = {}
        for split in made.task.validation:
            said = _file(store, made.entries["evaluate"], f"{split.name}.parquet", Path(scratch))
            encoded = _file(store, made.entries["encode"], f"{split.name}.arrow", Path(scratch))
            texts = _file(store, made.entries["fetch"], f"{split.name}.arrow", Path(scratch))
            found[split.name] = _read(made, said, encoded, texts)
        yield found


def _file(store: Store, entry: Manifest, path: str, scratch: Path) -> Path:
    """The entry's file on disk; raises Damaged if it is not what was written."""
    file = next(file for file in entry.files if file.path == path)
    folder = scratch / entry.step
    folder.mkdir(exist_ok=True)
    if wrong := download(store, folder, {file: object_key(entry.folder, file)}):
        raise Damaged(f"report: {path} of {entry.step} {entry.key[:12]} is damaged ({wrong[file]}); run it again")
    return folder / path


def _read(made: Made, said: Path, encoded: Path, texts: Path) -> Judged:
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from tasks.data import table

    rows, shown = pq.read_table(said), table.read(texts)
    if rows["idx"].to_pylist() != shown["idx"].to_pylist():
        raise BadData(f"report: the predictions of {made.label} are not of the rows that were fetched")
    logits = np.stack(rows["logits"].to_numpy()).astype(np.float64)
    return Judged(
        labels=rows["label"].to_numpy(),
        predictions=rows["prediction"].to_numpy(),
        confidence=None if made.task.is_regression else _softmax(logits).max(axis=1),
        tokens=pc.list_value_length(table.read(encoded)["input_ids"]).to_numpy().astype(np.int64),
        texts=shown,
    )


def _softmax(logits: "NDArray[np.float64]") -> "NDArray[np.float64]":
    import numpy as np

    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares
