"""Encoded rows as batches for tasks/models/packed.py: one stream of tokens, the longest row first.

in   {"input_ids": [101, 7, 102], "labels": 1}, {"input_ids": [101, 7, 7, 7, 102], "labels": 0}
out  input_ids [101 7 7 7 102 101 7 102] · position_ids [0 1 2 3 4 0 1 2] · slots [0 1 2 3 4 8 9 10] · first [0 5]
     order [1 0] · blocks [(2, 8)] · labels [1 0]
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

BLOCK_ROWS = 8  # of attention: fewer rows are padded less, more rows are fewer and larger products
ROUND, ROUND_BLOCK = 32, 8  # tokens that a stream, and a block's rows, are filled up to a multiple of: oneDNN compiles
# and keeps a product of its own for each length, which costs time and memory
Row = dict[str, Any]


class Rows(Dataset[Row]):
    """A split's rows, straight from Arrow's buffers; `lookup` renumbers the tokens."""

    def __init__(self, table: pa.Table, lookup: NDArray[np.int64] | None = None) -> None:
        lists = [name for name in ("input_ids", "token_type_ids") if name in table.column_names]
        columns = {name: table[name].combine_chunks() for name in lists}
        self.values = {name: column.values.to_numpy() for name, column in columns.items()}
        self.offsets = columns["input_ids"].offsets.to_numpy()
        self.labels = table["labels"].to_numpy()
        self.lookup = lookup

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Row:
        start, stop = self.offsets[row], self.offsets[row + 1]
        found = {name: values[start:stop] for name, values in self.values.items()}
        if self.lookup is not None:
            found["input_ids"] = self.lookup[found["input_ids"]]
        return {**found, "labels": self.labels[row]}

    @property
    def lengths(self) -> NDArray[np.int32]:
        return np.diff(self.offsets)  # type: ignore[no-any-return]  # numpy's stubs say Any


def stream(rows: Sequence[Row]) -> dict[str, Any]:
    """The rows as one batch; `labels` and what `order` brings back are in the order of `rows`."""
    lengths = np.array([len(row["input_ids"]) for row in rows])
    by_length = np.argsort(-lengths, kind="stable")
    lengths = lengths[by_length]
    first = np.cumsum(lengths) - lengths
    positions = np.arange(lengths.sum()) - np.repeat(first, lengths)
    blocks = [
        (len(some), filled(int(some[0]), ROUND_BLOCK))
        for some in np.split(lengths, range(BLOCK_ROWS, len(rows), BLOCK_ROWS))
    ]
    widths = np.repeat([length for _, length in blocks], [count for count, _ in blocks])  # of each row, once padded
    arrays = {
        "labels": np.array([row["labels"] for row in rows]),  # first, for Trainer counts the rows by it
        "position_ids": positions,
        "slots": np.repeat(np.cumsum(widths) - widths, lengths) + positions,
        "first": first,
        "order": np.argsort(by_length),
    }
    for name in ("input_ids", "token_type_ids"):
        if name in rows[0]:
            arrays[name] = np.concatenate([rows[row][name] for row in by_length]).astype(np.int64)
    for name in {"input_ids", "token_type_ids", "position_ids"} & set(arrays):
        arrays[name] = np.append(
            arrays[name], np.repeat(arrays[name][:1], filled(len(positions), ROUND) - len(positions))
        )
    return {**{name: torch.from_numpy(array) for name, array in arrays.items()}, "blocks": blocks}


def filled(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
