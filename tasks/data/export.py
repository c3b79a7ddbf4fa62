"""Tables, one after the other, into one file for people and programs: CSV, JSON Lines or Parquet.

    write(Path("out.csv"), tables)    # row,text,label,score

A spreadsheet takes a cell that begins with =, +, -, @, a tab or a line break for a formula, and runs it. In CSV such a
text is written with an apostrophe before it, as OWASP advises; numbers are written as they are. The other formats hold
texts as they are. The file appears whole, by a rename.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.errors import WrongRequest, disk_error
from tasks.core.specs import Format

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the wide ones, too: some programs fold them


def format_of(field: str, path: str) -> Format:
    """The format that the file's ending names; raises WrongRequest for any other."""
    for form in get_args(Format):
        if path.endswith(f".{form}"):
            return form  # type: ignore[no-any-return]  # pyarrow has no types
    raise WrongRequest.of(field, path, f"its name ends with {', '.join('.' + form for form in get_args(Format))}")


def write(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write the tables, which have the same columns; there is at least one."""
    writers = {"csv": _csv, "jsonl": _json, "parquet": _parquet}
    with _appearing(path) as half:
        writers[format_of("output", path.name)](half, iter(tables))


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    half = path.with_name(f".{path.name}.half")
    try:
        yield half
        half.replace(path)
    except OSError as error:
        raise disk_error(error, path.parent) from error
    finally:
        with suppress(FileNotFoundError):
            half.unlink()


def _csv(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(harmless, first.column_names))
        for table in chain([first], tables):
            columns = (column.to_pylist() for column in table.columns)
            writer.writerows([harmless(cell) for cell in row] for row in zip(*columns, strict=True))


def harmless(cell: object) -> object:
    """The cell, if it is a text that a spreadsheet would run, with an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _json(path: Path, tables: Iterator[pa.Table]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for table in tables:
            file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in table.to_pylist())


def _parquet(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)
