"""GLUE as Parquet, the layout of `nyu-mll/glue` on the hub: one folder a configuration, one or more files a split.

    mrpc/train-00000-of-00001.parquet    sentence1, sentence2: string · label: int64 · idx: int32

What a class number means is for the file to say: `datasets` writes the names of the classes into the schema. Numbers in
another order than the catalog's are mapped by those names, and names that the task does not know are refused.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.catalog import GlueTask, Split
from tasks.core.errors import BadData
from tasks.data.table import BATCH_ROWS, checked, schema, some


def read(task: GlueTask, split: Split, paths: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """The split's rows in file order, typed as `schema(task)`; raises BadData naming file, row and column."""
    return some(_read(task, split, paths), ", ".join(path.name for path in paths))


def _read(task: GlueTask, split: Split, paths: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    row = 0
    for path in paths:
        for batch in checked(task, split, _batches(task, path), path.name):
            idx = pa.array(range(row, row + batch.num_rows), pa.int32())
            yield batch.set_column(batch.num_columns - 1, schema(task).field("idx"), idx)
            row += batch.num_rows


def _batches(task: GlueTask, path: Path) -> Iterator[pa.RecordBatch]:
    """One file's rows; `idx` still counts from 0 in each batch."""
    wanted, row = [*task.text, "label"], 1
    with opened(path) as file:
        missing(wanted, file.schema_arrow.names, path)
        names = class_names(file.schema_arrow, "label")
        for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
            texts = [_cast(batch[name], pa.string(), path, row, name) for name in task.text]
            labels = _numbers(task, batch["label"], names, path, row)
            labels = _cast(labels, schema(task).field("label").type, path, row, "label")
            yield pa.record_batch([*texts, labels, pa.array(range(batch.num_rows), pa.int32())], schema=schema(task))
            row += batch.num_rows


def opened(path: Path) -> pq.ParquetFile:
    """The file; raises BadData if it is no Parquet."""
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise BadData(f"{path.name}: is no Parquet file that can be read: {str(error).splitlines()[0]}") from None


def missing(wanted: Sequence[str], there: Sequence[str], path: Path) -> None:
    """Raise BadData for the first column that is not there, naming those that are, or is there more than once."""
    for name in wanted:
        if there.count(name) > 1:
            raise BadData(f"{path.name}: column {name!r} is there {there.count(name)} times")
        if name not in there:
            raise BadData(f"{path.name}: column {name!r} is not there; it has {', '.join(there) or 'none'}")


def class_names(found: pa.Schema, column: str) -> tuple[str, ...]:
    """The names of the classes 0, 1, … of a column as `datasets` wrote them, or nothing where it did not."""
    try:
        features = json.loads((found.metadata or {})[b"huggingface"])["info"]["features"]
        names = tuple(map(str, features[column]["names"]))
    except (KeyError, TypeError, ValueError):
        return ()
    return () if all(name.removeprefix("LABEL_") == str(at) for at, name in enumerate(names)) else names


def _numbers(task: GlueTask, column: pa.Array, names: tuple[str, ...], path: Path, row: int) -> pa.Array:
    """The labels as the task numbers them, by their names where there are any."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    numbers = {name.casefold(): at for at, name in enumerate(task.labels)}

    def number(name: str, where: str) -> int:
        if name.casefold() in numbers:
            return numbers[name.casefold()]
        raise BadData(f"{where}: label {name!r} is not allowed; {task.name} has {', '.join(task.labels)}")

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        items = enumerate(column.to_pylist(), row)
        found = [None if item is None else number(item, f"{path.name}: row {at}") for at, item in items]
        return pa.array(found, pa.int64())
    if task.is_regression or not names:
        return column
    order = [number(name, path.name) for name in names]
    if sorted(order) != list(range(task.num_labels)):
        raise BadData(
            f"{path.name}: label has the classes {', '.join(names)}; {task.name} has {', '.join(task.labels)}"
        )
    return column if order == sorted(order) else _reordered(column, order)


def _reordered(column: pa.Array, order: list[int]) -> pa.Array:
    """Class numbers in the catalog's order; what is no class stays as it is, to be refused or known as unlabelled."""
    return pa.array(
        [order[item] if item is not None and 0 <= item < len(order) else item for item in column.to_pylist()]
    )


def _cast(column: pa.Array, kind: pa.DataType, path: Path, row: int, name: str) -> pa.Array:
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        for at in range(len(column)):
            try:
                column.slice(at, 1).cast(kind)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                reason = str(error).splitlines()[0]
                raise BadData(f"{path.name}: row {row + at}: {name} is not {kind}: {reason}") from None
        raise
