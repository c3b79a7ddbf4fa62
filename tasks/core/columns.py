"""The columns of a file of one's own data, read from its beginning or, of Parquet, its end, before anything is fetched.

    columns(place("s3://bucket/reviews"), "train.csv")  ->  ["id", "body", "stars"]

Of JSON Lines they are those of the first row. What cannot be read that far has no answer here: fetch reads the whole
file and says what is wrong with which row.
"""

import csv
import json
from io import StringIO

from tasks.core.errors import WrongRequest
from tasks.core.own import files
from tasks.core.places import Place
from tasks.core.specs import OwnData

HEAD = 1 << 20  # bytes that a header, or a first row, may take
FOOTER = 1 << 24  # bytes that a Parquet file's may take


def refuse_missing(place: Place, own: OwnData) -> None:
    """Raise WrongRequest for the first column that a file lacks, naming those that are there."""
    wanted = [*(("text", name) for name in own.text), ("label", own.label), *([("split", own.split)] * bool(own.split))]
    for split, file in files(own).items():
        there = columns(place, file)
        for field, name in wanted:
            optional = split == "test" and field == "label"
            if there is not None and name not in there and not optional:
                raise WrongRequest(f"data: {field}: column {name!r} is not there; {file} has {', '.join(there)}")


def columns(place: Place, file: str) -> list[str] | None:
    """Names of the columns in the file's order, or None where it is not what its name says."""
    if file.endswith(".parquet"):
        return _of_parquet(place, file)
    head = place.part(file, 0, HEAD)
    if len(head) == HEAD:
        head = head[: head.rfind(b"\n") + 1]  # whole lines
    text = head.decode("utf-8-sig", errors="replace")
    try:
        if file.endswith((".csv", ".tsv")):
            lines = csv.reader(StringIO(text, newline=""), delimiter="\t" if file.endswith(".tsv") else ",")
            return next(filter(None, lines), None)
        first = json.loads(next(filter(str.strip, text.splitlines()), ""))
    except (csv.Error, ValueError):
        return None
    return list(first) if isinstance(first, dict) else None


def _of_parquet(place: Place, file: str) -> list[str] | None:
    """From the footer at the file's end, whose length stands in the four bytes before the last four."""
    from pyarrow import ArrowInvalid, BufferReader
    from pyarrow.parquet import read_schema

    length = int.from_bytes(place.part(file, -8, 8)[:4], "little") + 8
    if length > FOOTER:
        return None
    try:
        return list(read_schema(BufferReader(place.part(file, -length, length))).names)
    except (ArrowInvalid, OSError):
        return None
