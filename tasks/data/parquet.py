"""GLUE as Parquet, the layout of `nyu-mll/glue` on the hub: one folder a configuration, one or more files a split.

mrpc/train-00000-of-00001.parquet    sentence1, sentence2: string · label: int64 · idx: int32
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.catalog import GlueTask, Split
from tasks.core.errors import BadData
from tasks.data.table import BATCH_ROWS, schema


def read(task: GlueTask, split: Split, paths: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """The split's rows in file order, typed as `schema(task)`; raises BadData for a column that is not there."""
    if not paths:
        raise BadData(f"data: there is no Parquet file for {split.name} of {task.name}")
    row = 0
    for path in paths:
        file = pq.ParquetFile(path)
        wanted = [*task.text, "label"]
        for name in wanted:
            if name not in file.schema_arrow.names:
                raise BadData(f"{path.name}: column {name!r} is not there; it has {', '.join(file.schema_arrow.names)}")
        for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
            columns = [_cast(batch[name], schema(task).field(name).type, path, name) for name in wanted]
            idx = pa.array(range(row, row + batch.num_rows), pa.int32())
            yield pa.record_batch([*columns, idx], schema=schema(task))
            row += batch.num_rows


def _cast(column: pa.Array, kind: pa.DataType, path: Path, name: str) -> pa.Array:
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadData(f"{path.name}: column {name!r} of type {column.type} cannot be read as {kind}: {error}") from None
