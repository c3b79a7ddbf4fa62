"""Rows of a CSV, JSON Lines or Parquet file, one at a time: its number in the file, and the values of some columns.

    rows(Path("reviews.csv"), ["body", "stars"])  ->  (2, ("A charming film.", "4")), (3, ("Dull.", "1")), …

A CSV's header is row 1, as a spreadsheet shows it. Values are what the format knows: text in a CSV, anything in JSON.
Of a Parquet column with named classes (as `datasets` writes them) the value is the name.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv

from tasks.core.errors import BadData
from tasks.data.blocks import LONGEST, block_size
from tasks.data.parquet import class_names, missing, opened
from tasks.data.table import BATCH_ROWS, slices

Row = tuple[int, tuple[Any, ...]]


def rows(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Row]:
    """Every row in order; a column in `optional` that is not there is None throughout. Raises BadData."""
    if path.suffix in (".csv", ".tsv"):
        return _csv(path, columns, optional)
    return _parquet(path, columns, optional) if path.suffix == ".parquet" else _json(path, columns, optional)


def _csv(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Iterator[Row]:
    wrong: list[csv.InvalidRow] = []

    def refuse(row: csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    row = 2
    reading = csv.ReadOptions(use_threads=False, block_size=block_size(path, quoted=True))
    delimiter = "\t" if path.suffix == ".tsv" else ","
    parsing = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    try:
        parsing.invalid_row_handler = lambda _: "skip"  # for the header's sake; below it is refused
        with csv.open_csv(path, reading, parsing) as reader:
            there = reader.schema.names
        missing([name for name in columns if name not in optional], there, path)
        parsing.invalid_row_handler = refuse
        # as bytes, whatever they look like: what is text, we see for ourselves
        as_bytes = csv.ConvertOptions(column_types=dict.fromkeys(there, pa.binary()), strings_can_be_null=False)
        with csv.open_csv(path, reading, parsing, as_bytes) as reader:
            for batch in (part for block in reader for part in slices(block)):
                held = [batch[there.index(name)].to_pylist() if name in there else None for name in columns]
                for at in range(batch.num_rows):
                    values = (None if column is None else column[at] for column in held)
                    yield (
                        row,
                        tuple(
                            None if value is None else _said(value, path, row, name)
                            for name, value in zip(columns, values, strict=True)
                        ),
                    )
                    row += 1
    except pa.ArrowInvalid as error:
        if wrong:
            has = f"has {wrong[0].actual_columns} columns instead of {wrong[0].expected_columns}"
            raise BadData(f"{path.name}: row {wrong[0].number or row}: {has}") from None
        raise BadData(f"{path.name}: from row {row} on: {str(error).splitlines()[0]}") from None


def _said(value: bytes, path: Path, row: int, column: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BadData(f"{path.name}: row {row}: {column} is not UTF-8 ({error.reason})") from None


def _json(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Iterator[Row]:
    with path.open("rb") as file:
        row = 0
        while line := file.readline(LONGEST + 1):
            row += 1
            if len(line) > LONGEST:
                raise BadData(f"{path.name}: row {row}: is longer than {LONGEST:,} bytes")
            text = _said(line.removeprefix(b"\xef\xbb\xbf") if row == 1 else line, path, row, "the line")
            if not text.strip():
                continue
            try:
                found = json.loads(text)
            except ValueError as error:
                raise BadData(f"{path.name}: row {row}: is no JSON: {error}") from None
            if not isinstance(found, dict):
                raise BadData(f"{path.name}: row {row}: is no JSON object")
            for name in columns:
                if name not in found and name not in optional:
                    there = ", ".join(found) or "none"
                    raise BadData(f"{path.name}: row {row}: column {name!r} is not there; it has {there}")
            yield row, tuple(found.get(name) for name in columns)


def _parquet(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Iterator[Row]:
    row = 1
    with opened(path) as file:
        there = file.schema_arrow.names
        missing([name for name in columns if name not in optional], there, path)
        wanted = [name for name in columns if name in there]
        names = {name: class_names(file.schema_arrow, name) for name in wanted}
        for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
            held = {name: _values(batch[name], path, row, name) for name in wanted}
            for at in range(batch.num_rows):
                yield row, tuple(_named(held[name][at], names[name]) if name in held else None for name in columns)
                row += 1


def _values(column: pa.Array, path: Path, row: int, name: str) -> list[Any]:
    try:
        column.validate(full=True)
        return list(column.to_pylist())
    except (pa.ArrowInvalid, UnicodeDecodeError):
        for at, item in enumerate(column.cast(pa.binary()).to_pylist()):
            _said(item or b"", path, row + at, name)
        raise


def _named(value: Any, names: tuple[str, ...]) -> Any:
    return names[value] if names and isinstance(value, int) and 0 <= value < len(names) else value
