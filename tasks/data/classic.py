"""The classic GLUE layout: tab-separated files without quoting, one folder a task.

    MRPC/dev.tsv      Quality <tab> #1 ID <tab> #2 ID <tab> #1 String <tab> #2 String      (after a byte-order mark)
                      1 <tab> 1355540 <tab> 1355592 <tab> He said … <tab> " The foodservice …
    CoLA/dev.tsv      gj04 <tab> 1 <tab> <tab> The sailors rode the breeze clear of the rocks.    (no header)

A row with another number of columns, a label that the task does not know or bytes that are not UTF-8 are refused with
file and row: a skipped row would be a silent change of the data.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv

from tasks.core.catalog import UNLABELLED, GlueTask, Split
from tasks.core.errors import BadData
from tasks.data.blocks import LONGEST, block_size
from tasks.data.table import checked, schema, slices, some

COLA = ["source", "label", "mark", "sentence"]
HEADERS: dict[str, tuple[str, ...]] = {  # text columns, then the label, where they differ from the catalog's names
    "mrpc": ("#1 String", "#2 String", "Quality"),
    "stsb": ("sentence1", "sentence2", "score"),
    "qqp": ("question1", "question2", "is_duplicate"),
    "mnli": ("sentence1", "sentence2", "gold_label"),
    "ax": ("sentence1", "sentence2", "label"),
}


def read(task: GlueTask, split: Split, path: Path) -> Iterator[pa.RecordBatch]:
    """The split's rows in file order, typed as `schema(task)`; raises BadData naming file, row (a header is row 1) and
    column."""
    first_line = 1 if task.name == "cola" and split.labelled else 2
    return some(checked(task, split, _read(task, split, path, first_line), str(path), first_line), str(path))


def _read(task: GlueTask, split: Split, path: Path, first_line: int) -> Iterator[pa.RecordBatch]:
    names = _header(task, split, path)
    *texts, label = HEADERS.get(task.name, (*task.text, "label"))
    wanted = [*texts, label] if split.labelled else texts
    for name in wanted:
        if name not in names:
            raise BadData(f"{path}: column {name!r} is not there; the file has {', '.join(map(repr, names))}")
    row = 0
    for batch in _records(path, names, wanted, first_line):
        columns = [_text(batch[name], path, row + first_line, name) for name in texts]
        if split.labelled:
            labels = _labels(task, _text(batch[label], path, row + first_line, label), path, row + first_line, label)
        else:
            labels = pa.array([UNLABELLED] * batch.num_rows, schema(task).field("label").type)
        idx = pa.array(range(row, row + batch.num_rows), pa.int32())
        yield pa.record_batch([*columns, labels, idx], schema=schema(task))
        row += batch.num_rows


def _header(task: GlueTask, split: Split, path: Path) -> list[str]:
    if task.name == "cola" and split.labelled:
        return COLA
    with path.open("rb") as file:
        line = file.readline(LONGEST)
    return line.decode("utf-8-sig", errors="replace").rstrip("\r\n").split("\t")


def _records(path: Path, names: list[str], wanted: list[str], first_line: int) -> Iterator[pa.RecordBatch]:
    wrong: list[csv.InvalidRow] = []

    def refuse(row: csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    try:
        reader = csv.open_csv(
            path,
            csv.ReadOptions(
                use_threads=False, block_size=block_size(path), column_names=names, skip_rows=first_line - 1
            ),
            csv.ParseOptions(delimiter="\t", quote_char=False, invalid_row_handler=refuse, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()), include_columns=wanted),
        )
        for block in reader:
            yield from slices(block)
    except pa.ArrowInvalid as error:
        if wrong:
            raise BadData(
                f"{path}: row {wrong[0].number}: has {wrong[0].actual_columns} columns instead of {len(names)}"
            ) from None
        if "Empty CSV" in str(error):
            return
        raise BadData(f"{path}: {str(error).splitlines()[0]}") from None


def _text(column: pa.Array, path: Path, row: int, name: str) -> pa.Array:
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        for offset, item in enumerate(column.to_pylist()):
            try:
                item.decode()
            except UnicodeDecodeError as error:
                raise BadData(f"{path}: row {row + offset}: {name} is not UTF-8 ({error.reason})") from None
        raise


def _labels(task: GlueTask, column: pa.Array, path: Path, row: int, name: str) -> pa.Array:
    """Class names and class numbers both occur in GLUE's files; a score is a decimal number."""
    numbers: dict[str, int] = {label: index for index, label in enumerate(task.labels)}
    numbers |= {str(index): index for index in range(len(task.labels))}
    low, high = task.score_range
    found: list[float] = []
    for offset, item in enumerate(column.to_pylist()):
        try:
            found.append(float(item) if task.is_regression else numbers[item])
            if task.is_regression and not low <= found[-1] <= high:
                raise ValueError(item)
        except (KeyError, ValueError):
            allowed = f"a number from {low:g} to {high:g}" if task.is_regression else f"one of {', '.join(numbers)}"
            raise BadData(f"{path}: row {row + offset}: {name} {item!r} is not allowed; it is {allowed}") from None
    return pa.array(found, schema(task).field("label").type)
