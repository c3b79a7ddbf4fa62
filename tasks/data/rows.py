"""A file of rows in parts of so many, whatever its format: CSV, JSON Lines or Parquet. Memory holds one part.

    columns(Path("reviews.csv"), "csv")                         ->  ["id", "text"]
    for part in parts(Path("reviews.csv"), "csv", ["text"], ["id"], 4096): …    # pa.Table of id and text

Texts are strings. What else is carried along keeps its type in Parquet; from CSV it is a string, from JSON Lines a
string as it is and any other value as JSON.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.errors import BadData
from tasks.core.specs import Format


def columns(path: Path, form: Format, name: str) -> list[str]:
    """The columns that the file has; of JSON Lines those of its first row. Errors call the file `name`."""
    if form == "parquet":
        return list(_parquet(path, name).schema_arrow.names)
    with path.open(encoding="utf-8-sig", newline="") as file:
        if form == "csv":
            return next(_decoded(_lines(file, name), name), [])
        _, first = next(_decoded(_objects(file, name), name), (0, {}))
        return list(first)


def parts(
    path: Path, form: Format, text: Sequence[str], keep: Sequence[str], size: int, name: str
) -> Iterator[pa.Table]:
    """The rows in their order, `size` at a time and fewer in the last part; at least one part. Raises BadData, naming
    file, line and column, for what is no text."""
    wanted = [*keep, *text]
    if form == "parquet":
        yield from _from_parquet(path, text, wanted, size, name)
        return
    schema = pa.schema([(column, pa.string()) for column in wanted])
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = _csv_rows(file, wanted, name) if form == "csv" else _json_rows(file, text, keep, name)
        decoded = _decoded(rows, name)
        batch = list(islice(decoded, size))
        while True:
            yield pa.table(list(zip(*batch, strict=True)) or [()] * len(wanted), schema=schema)
            if not (batch := list(islice(decoded, size))):
                return


def _csv_rows(file: Any, wanted: Sequence[str], name: str) -> Iterator[tuple[str, ...]]:
    reader = _lines(file, name)
    header = next(reader, [])
    places = [header.index(column) for column in wanted]
    for line, row in enumerate(reader, 2):
        if not row:
            continue  # an empty line
        if len(row) != len(header):
            raise BadData(f"{name}: record {line}: has {len(row)} columns instead of {len(header)}")
        yield tuple(row[place] for place in places)


def _lines(file: Any, name: str) -> Iterator[list[str]]:
    reader = csv.reader(file, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise BadData(f"{name}: line {reader.line_num}: is no CSV that can be read: {error}") from None


def _json_rows(file: Any, text: Sequence[str], keep: Sequence[str], name: str) -> Iterator[tuple[str, ...]]:
    for line, row in _objects(file, name):
        for column in (*keep, *text):
            if column not in row:
                there = ", ".join(row) or "none"
                raise BadData(f"{name}: line {line}: column {column!r} is not there; it has {there}")
        for column in text:
            if not isinstance(row[column], str):
                raise BadData(f"{name}: line {line}: {column} is {json.dumps(row[column])[:80]}, which is no text")
        carried = (row[column] for column in keep)
        others = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in carried)
        yield (*others, *(row[column] for column in text))


def _objects(file: Any, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every line that is not empty, with its number."""
    for line, written in enumerate(file, 1):
        if not written.strip():
            continue
        try:
            found = json.loads(written)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise BadData(f"{name}: line {line}: is no JSON object")
        yield line, found


def _decoded(rows: Iterator[Any], name: str) -> Iterator[Any]:
    try:
        yield from rows
    except UnicodeDecodeError as error:
        raise BadData(f"{name}: is not UTF-8: {error}") from None


def _parquet(path: Path, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise BadData(f"{name}: is no Parquet file that can be read: {str(error).splitlines()[0]}") from None


def _from_parquet(path: Path, text: Sequence[str], wanted: Sequence[str], size: int, name: str) -> Iterator[pa.Table]:
    """Row groups are read a piece at a time and put together to parts, which do not depend on how those lie."""
    file = _parquet(path, name)
    kept: list[pa.Table] = []
    count = seen = 0
    schema = pa.schema([file.schema_arrow.field(column).remove_metadata() for column in wanted])
    for batch in file.iter_batches(min(size, 4096), columns=list(dict.fromkeys(wanted))):
        piece = _texts(pa.Table.from_batches([batch]).select(wanted), text, seen, name)
        seen += len(piece)
        while len(piece):
            kept.append(piece.slice(0, size - count))
            count += len(kept[-1])
            piece = piece.slice(len(kept[-1]))
            if count == size:
                yield pa.concat_tables(kept).combine_chunks()
                kept, count = [], 0
    if kept or not seen:
        yield pa.concat_tables(kept).combine_chunks() if kept else _texts(schema.empty_table(), text, 0, name)


def _texts(piece: pa.Table, text: Sequence[str], seen: int, name: str) -> pa.Table:
    """The same rows, the text columns as strings."""
    for column in text:
        place = piece.column_names.index(column)
        kind = piece.schema.field(place).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise BadData(f"{name}: column {column!r} holds {kind}, which is no text")
        values = piece.column(place).cast(pa.string())
        if values.null_count:
            row = seen + values.is_null().index(True).as_py() + 1
            raise BadData(f"{name}: row {row}: {column} is missing")
        piece = piece.set_column(place, column, values)
    return piece
