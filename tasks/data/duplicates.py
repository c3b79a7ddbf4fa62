"""Rows that come twice, within a split and across splits, found in memory that does not grow with the rows.

    {"what": "duplicate", "splits": ["train", "validation"], "count": 3, "examples": [[17, 4], [230, 9]]}

Of each row 12 bytes are kept on disk: a digest of its texts (64 bits: among 10 million rows one false alarm in 400,000
data sets) and its label. They are compared a sixteenth at a time.
"""

import hashlib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.core.catalog import UNLABELLED

EXAMPLES = 3  # rows named of each oddity
RECORD = np.dtype([("text", "<u8"), ("label", "<f4"), ("idx", "<u4")])
PASSES = 16  # each looks at the digests that begin with one hexadecimal digit
CHUNK = 1 << 14  # records read at a time
Records = NDArray[np.void]


class Duplicates:
    """Digests of the rows of several splits, in files of a scratch folder."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.rows: dict[str, int] = {}

    def add(self, split: str, texts: list[pa.Array], labels: NDArray[Any]) -> None:
        """Keep the digests of a batch of rows."""
        records = np.empty(len(labels), RECORD)
        columns = (column.to_pylist() for column in texts)
        records["text"] = [digest(row) for row in zip(*columns, strict=True)]
        records["label"], start = labels, self.rows.get(split, 0)
        records["idx"] = np.arange(start, start + len(labels))
        with (self.scratch / f"{split}.digests").open("ab") as file:
            file.write(records.tobytes())
        self.rows[split] = start + len(labels)

    def found(self) -> list[dict[str, Any]]:
        """What comes twice: one entry for each split and each two splits where something does."""
        names = list(self.rows)
        places = [(name,) for name in names] + list(combinations(names, 2))
        counts = dict.fromkeys(places, 0)
        others = dict.fromkeys(places, 0)
        examples: dict[tuple[str, ...], list[list[int]]] = {place: [] for place in places}
        for digit in range(PASSES):
            part = {name: self._part(name, digit) for name in names}
            for place in places:
                one, two = _within(part[place[0]]) if len(place) == 1 else _across(part[place[0]], part[place[1]])
                counts[place] += len(one)
                labelled = (one["label"] != UNLABELLED) & (two["label"] != UNLABELLED)
                others[place] += int((labelled & (one["label"] != two["label"])).sum())
                pairs = np.stack([one["idx"], two["idx"]], axis=1).tolist()
                examples[place] = sorted(examples[place] + pairs)[:EXAMPLES]
        return [
            {
                "what": "duplicate",
                "splits": list(place),
                "count": counts[place],
                "with_another_label": others[place],
                "examples": examples[place],
            }
            for place in places
            if counts[place]
        ]

    def _part(self, split: str, digit: int) -> Records:
        """The records of a split whose digest begins with that digit, by digest and then in row order."""
        kept = [chunk[chunk["text"] >> np.uint64(60) == digit] for chunk in self._chunks(split)]
        return np.sort(np.concatenate(kept), order=("text", "idx"))

    def _chunks(self, split: str) -> Iterator[Records]:
        with (self.scratch / f"{split}.digests").open("rb") as file:
            while len(chunk := np.fromfile(file, RECORD, CHUNK)):
                yield chunk


def digest(texts: tuple[str, ...]) -> int:
    """64 bits of a row's texts, the same everywhere."""
    return int.from_bytes(hashlib.blake2b("\0".join(texts).encode(), digest_size=8).digest(), "little")


def _within(part: Records) -> tuple[Records, Records]:
    """The first row of each text that comes again, and beside it each row where it does."""
    _, first, group = np.unique(part["text"], return_index=True, return_inverse=True)
    again = first[group] != np.arange(len(part))
    return part[first[group]][again], part[again]


def _across(one: Records, two: Records) -> tuple[Records, Records]:
    """The first row of `one` for each row of `two` with the same texts, and those rows."""
    texts, first = np.unique(one["text"], return_index=True)
    at = np.searchsorted(texts, two["text"])
    same = at < len(texts)
    same[same] = texts[at[same]] == two["text"][same]
    return one[first[at[same]]], two[same]
