"""One split as a typed Arrow table: the task's text columns, `label`, `idx`; checked row by row against the catalog.

    {"sentence1": "Amrozi accused his brother …", "sentence2": "Referring to him …", "label": 1, "idx": 0}

Files are Arrow streams, read back by memory map; the schema carries the features, so that the file also opens as a
`datasets.Dataset` with named classes.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.catalog import UNLABELLED, GlueTask, Split
from tasks.core.errors import BadData

BATCH_ROWS = 4096


def value(dtype: str) -> dict[str, object]:
    return {"dtype": dtype, "_type": "Value"}


def with_features(fields: list[pa.Field], features: dict[str, dict[str, object]]) -> pa.Schema:
    """A schema that `datasets` reads back with these features."""
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def label_field(task: GlueTask) -> tuple[pa.Field, dict[str, object]]:
    if task.is_regression:
        return pa.field("label", pa.float32()), value("float32")
    return pa.field("label", pa.int64()), {"names": list(task.labels), "_type": "ClassLabel"}


def schema(task: GlueTask) -> pa.Schema:
    """The columns of every source's table, whatever it was read from."""
    label, feature = label_field(task)
    fields = [pa.field(name, pa.string()) for name in task.text]
    features = {name: value("string") for name in task.text}
    return with_features(
        [*fields, label, pa.field("idx", pa.int32())], {**features, "label": feature, "idx": value("int32")}
    )


def write(path: Path, table_schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write the batches as an Arrow stream, one after the other; returns the number of rows."""
    rows = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table_schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def read(path: Path) -> pa.Table:
    """The table of an Arrow stream, by memory map: no row is copied."""
    with pa.memory_map(str(path), "rb") as file:
        return pa.ipc.open_stream(file).read_all()


def stream(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows in batches of at most BATCH_ROWS. Unlike with a memory map, what was read does not stay in memory."""
    with pa.OSFile(str(path), "rb") as file:
        for batch in pa.ipc.open_stream(file):
            yield from slices(batch)


def slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts of at most BATCH_ROWS, which share its memory."""
    return (batch.slice(start, BATCH_ROWS) for start in range(0, batch.num_rows, BATCH_ROWS))


def checked(
    task: GlueTask, split: Split, batches: Iterable[pa.RecordBatch], where: str, first: int = 1
) -> Iterator[pa.RecordBatch]:
    """The same batches, or BadData at the first row that cannot be trusted, named by `where` and its number there."""
    for batch in batches:
        for name in batch.schema.names:
            _refuse(pc.is_null(batch[name]), where, first, name, "is missing")
        for name in task.text:
            _check_text(batch[name], where, first, name)
        _check_labels(task, split, batch["label"], where, first)
        first += batch.num_rows
        yield batch


def some(batches: Iterable[pa.RecordBatch], where: str) -> Iterator[pa.RecordBatch]:
    """The same batches, or BadData if there is no row at all."""
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        yield batch
    if not rows:
        raise BadData(f"{where}: has no rows; every split needs at least one")


def _check_text(column: pa.Array, where: str, first: int, name: str) -> None:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        for offset, item in enumerate(column.cast(pa.binary()).to_pylist()):
            _refuse_bytes(item, where, first + offset, name)
        raise
    _refuse(pc.match_substring(column, "\0"), where, first, name, "holds a NUL byte")


def _refuse_bytes(item: bytes, where: str, row: int, name: str) -> None:
    try:
        item.decode()
    except UnicodeDecodeError as error:
        raise BadData(f"{where}: row {row}: {name} is not UTF-8 ({error.reason})") from None


def _check_labels(task: GlueTask, split: Split, labels: pa.Array, where: str, first: int) -> None:
    if not split.labelled:
        _refuse(pc.not_equal(labels, UNLABELLED), where, first, "label", "is given in an unlabelled split")
        return
    low, high = task.score_range if task.is_regression else (0, len(task.labels) - 1)
    outside = pc.invert(pc.and_(pc.greater_equal(labels, low), pc.less_equal(labels, high)))  # NaN is outside too
    _refuse(outside, where, first, "label", f"is outside {low:g} to {high:g}", labels)


def _refuse(wrong: pa.Array, where: str, first: int, column: str, why: str, values: pa.Array | None = None) -> None:
    at = pc.index(wrong, True).as_py()
    if at >= 0:
        held = "" if values is None else f" {values[at].as_py()}"
        raise BadData(f"{where}: row {first + at}: {column}{held} {why}")
