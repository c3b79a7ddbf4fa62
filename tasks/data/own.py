"""Data of one's own as a task: its labels are those of the training rows, its splits are by column, by file or a share.

    define(OwnData(text=("body",), label="stars", …), {"train": Path("reviews.csv")})
      ->  GlueTask("own", text=("sentence",), labels=("1", "2", "3"), metrics=("accuracy", …), splits=(train, …))

The files are read once for labels and splits, then for each split's rows. A row that cannot be trusted is refused with
file, row, column and what is allowed.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.core.catalog import UNLABELLED, GlueTask, Metric, Split
from tasks.core.errors import BadData
from tasks.core.own import SPLITS
from tasks.core.specs import OwnData
from tasks.data.duplicates import digest
from tasks.data.records import rows
from tasks.data.table import BATCH_ROWS, schema

MOST_LABELS = 50
NAMES = {name: split for split, names in SPLITS.items() for name in (split, *names)} | {"training": "train"}
CLASSES: tuple[Metric, ...] = ("accuracy", "matthews_correlation")
SCORES: tuple[Metric, ...] = ("pearson", "spearmanr")
GREATEST = 3.4e38  # of float32
Example = tuple[str, str, int, tuple[str, ...], Any]  # split, file, row, texts, label as it stands there


def define(own: OwnData, paths: Mapping[str, Path]) -> GlueTask:
    """The task that the data are; raises BadData for a row that cannot be trusted."""
    seen: set[Any] = set()
    counts = dict.fromkeys(SPLITS, 0)
    labelled = 0  # rows of the test split
    for split, file, row, _, label in examples(own, paths):
        counts[split] += 1
        labelled += split == "test" and label is not None
        if split == "train" and own.kind == "classification":
            seen.add(_named(label, own, file, row))
            if len(seen) > MOST_LABELS:
                allowed = f"at most {MOST_LABELS} different ones; for scores say kind=regression"
                raise BadData(f"{file}: row {row}: {own.label} {label!r} is one label too many; there are {allowed}")
    for split in ("train", "validation"):
        if not counts[split]:
            raise BadData(f"data: no row is for {split}; name a split column or a {split} file, or raise share")
    if unseen := [label for label in own.labels if label not in seen]:
        raise BadData(
            f"data: label {unseen[0]!r} of labels= is in no training row; those have {', '.join(sorted(seen))}"
        )
    labels = own.labels or tuple(sorted(seen, key=_order(seen)))
    usual = SCORES if own.kind == "regression" else CLASSES
    if own.metric == "f1" and len(labels) != 2:
        raise BadData(f"data: metric f1 is for two labels; the training rows have {', '.join(labels)}")
    metrics = dict.fromkeys((own.metric, *usual) if own.metric else usual)
    held = [Split(split, "", count, split != "test" or labelled > 0) for split, count in counts.items() if count]
    texts = ("sentence",) if len(own.text) == 1 else ("sentence1", "sentence2")
    return GlueTask("own", "", texts, labels, tuple(metrics), tuple(held), (-GREATEST, GREATEST))


def read(task: GlueTask, own: OwnData, split: Split, paths: Mapping[str, Path]) -> Iterator[pa.RecordBatch]:
    """The split's rows in file order, typed as `schema(task)`."""
    numbers = {name: at for at, name in enumerate(task.labels)}

    def labelled() -> Iterator[tuple[tuple[str, ...], float]]:
        for name, file, row, texts, label in examples(own, paths):
            if name == split.name:
                yield texts, _number(label, own, numbers, file, row) if split.labelled else UNLABELLED

    found, done = labelled(), 0
    while batch := list(islice(found, BATCH_ROWS)):
        columns = [*zip(*(texts for texts, _ in batch), strict=True), [label for _, label in batch]]
        columns.append(range(done, done + len(batch)))
        fields = zip(columns, schema(task), strict=True)
        yield pa.record_batch([pa.array(column, field.type) for column, field in fields], schema=schema(task))
        done += len(batch)


def divided(own: OwnData) -> str:
    """How the rows came to be divided, in words for the report."""
    if own.validation:
        return "by file"
    if own.split:
        return f"by column {own.split}"
    return f"by us: a share of {own.share:g} for validation, by digest of the texts, split_seed {own.split_seed}"


def examples(own: OwnData, paths: Mapping[str, Path]) -> Iterator[Example]:
    """Every row of every file with the split that it is in. A label is None where there is none, in a test row."""
    columns = [*own.text, own.label, own.split] if own.split else [*own.text, own.label]
    for of_file, path in paths.items():
        optional = [own.label] if of_file == "test" else []
        for row, values in rows(path, columns, optional):
            texts = tuple(_text(value, path.name, row, name) for value, name in zip(values, own.text, strict=False))
            split = of_file
            if of_file == "train" and own.split:
                split = _split(values[-1], own, path.name, row)
            elif of_file == "train" and not own.validation:
                split = "validation" if _drawn(own, texts) else "train"
            label = None if values[len(texts)] in ("", None) else values[len(texts)]
            if label is None and split != "test":
                raise BadData(f"{path.name}: row {row}: {own.label} is missing")
            yield split, path.name, row, texts, label


def _text(value: Any, file: str, row: int, column: str) -> str:
    if not isinstance(value, str):
        is_it = "is missing" if value is None else f"{value!r} is no text"
        raise BadData(f"{file}: row {row}: {column} {is_it}")
    if "\0" in value:
        raise BadData(f"{file}: row {row}: {column} holds a NUL byte")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadData(f"{file}: row {row}: {column} is not UTF-8 ({error.reason})") from None
    return value


def _split(value: Any, own: OwnData, file: str, row: int) -> str:
    if str(value).casefold() not in NAMES:
        raise BadData(f"{file}: row {row}: {own.split} {value!r} is not allowed; it is {', '.join(NAMES)}")
    return NAMES[str(value).casefold()]


def _drawn(own: OwnData, texts: tuple[str, ...]) -> bool:
    """Whether a row is for validation: equal texts fall to the same side, and other rows change nothing."""
    return digest((str(own.split_seed), *texts)) < own.share * 2**64


def _named(label: Any, own: OwnData, file: str, row: int) -> str:
    """A class as text; numbers by their digits, 1.0 as 1."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if not isinstance(label, str | int) or (own.labels and _plain(label) not in own.labels):
        allowed = f"one of {', '.join(own.labels)}" if own.labels else "text or a whole number"
        raise BadData(f"{file}: row {row}: {own.label} {label!r} is not allowed; it is {allowed}")
    return _plain(label)


def _plain(label: str | int) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def _number(label: Any, own: OwnData, numbers: dict[str, int], file: str, row: int) -> float:
    if own.kind == "regression":
        try:
            score = float(label)
        except (TypeError, ValueError):
            score = math.nan
        if isinstance(label, bool) or not abs(score) <= GREATEST:
            raise BadData(f"{file}: row {row}: {own.label} {label!r} is not allowed; it is a number")
        return score
    if label is None or _named(label, own, file, row) not in numbers:
        raise BadData(f"{file}: row {row}: {own.label} {label!r} is not allowed; training has {', '.join(numbers)}")
    return numbers[_named(label, own, file, row)]


def _order(labels: set[str]) -> Any:
    """By number where all of them are numbers, else by name."""
    try:
        numbers = {label: float(label) for label in labels}
    except ValueError:
        return str
    return lambda label: (numbers[label], label)
