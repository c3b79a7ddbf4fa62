"""Every fault in every format: what cannot be trusted is refused with file, row and reason, the rest is let through."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.catalog import glue_task
from tasks.core.errors import BadData
from tests.fetched import classic, fetched, parquet, rows, write

MRPC, STSB = glue_task("mrpc"), glue_task("stsb")
RAW = bytes | str | float | int | None
Line = tuple[RAW, RAW]
Maker = Callable[[list[Line], str], dict[str, bytes]]


def as_bytes(value: RAW) -> bytes:
    return b"" if value is None else value if isinstance(value, bytes) else str(value).encode()


def as_csv(lines: list[Line], label: str) -> dict[str, bytes]:
    quoted = [(b'"' + as_bytes(text).replace(b'"', b'""') + b'"', as_bytes(held)) for text, held in lines]
    return {"faulty.csv": b"body," + label.encode() + b"\n" + b"".join(b",".join(line) + b"\n" for line in quoted)}


def as_jsonl(lines: list[Line], label: str) -> dict[str, bytes]:
    def member(value: RAW) -> bytes:
        return b'"' + value + b'"' if isinstance(value, bytes) else json.dumps(value).encode()

    text = [
        b'{"body": ' + member(text) + b', "' + label.encode() + b'": ' + member(held) + b"}" for text, held in lines
    ]
    return {"faulty.jsonl": b"\n".join(text) + b"\n"}


def as_parquet(lines: list[Line], label: str) -> dict[str, bytes]:
    texts = pa.array([None if text is None else as_bytes(text) for text, _ in lines], pa.binary())
    column = texts.view(pa.string())  # as a writer that does not look at what it writes
    labels = pa.array([held for _, held in lines], pa.float64() if label == "score" else None)
    out = io.BytesIO()
    pq.write_table(pa.table({"body": column, label: labels}), out)
    return {"faulty.parquet": out.getvalue()}


OWN: dict[str, Maker] = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet}
FIRST = {"csv": 2, "jsonl": 1, "parquet": 1}  # the number of the first row
TEXT_FAULTS: dict[str, tuple[RAW, str]] = {
    "utf8": (b"broken \xff here", "is not UTF-8"),
    "nul": ("a NUL \0 byte", "holds a NUL byte"),
    "null": (None, "body is missing"),
}


@pytest.mark.parametrize("form", OWN)
@pytest.mark.parametrize("fault", TEXT_FAULTS)
def test_texts_that_cannot_be_trusted(tmp_path: Path, form: str, fault: str) -> None:
    if (form, fault) == ("csv", "null"):
        pytest.skip("a CSV cannot say null; an empty text is reported")
    text, reason = TEXT_FAULTS[fault]
    lines: list[Line] = [(f"text {at}", at % 2) for at in range(40)]
    lines[30] = (text, 1)
    uri = write(tmp_path / "d", OWN[form](lines, "stars")) + f"/faulty.{form}?text=body&label=stars&share=0.5"
    with pytest.raises(BadData) as caught:
        fetched(uri, "own", tmp_path)
    assert f"faulty.{form}: row {30 + FIRST[form]}: " in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize("form", OWN)
@pytest.mark.parametrize("score", [float("nan"), float("inf"), None, 1e39])
def test_scores_that_are_no_numbers(tmp_path: Path, form: str, score: float | None) -> None:
    lines: list[Line] = [(f"text {at}", float(at)) for at in range(40)]
    lines[7] = ("text 7", score)
    uri = (
        write(tmp_path / "d", OWN[form](lines, "score"))
        + f"/faulty.{form}?text=body&label=score&kind=regression&share=0.5"
    )
    with pytest.raises(BadData) as caught:
        fetched(uri, "own", tmp_path)
    row = 7 + FIRST[form]
    allowed = (
        f"row {row}: score is missing",
        f"row {row}: score {score!r} is not",
        f"row {row}: score '{score}' is not",
    )
    assert any(words in str(caught.value) for words in allowed), caught.value


@pytest.mark.parametrize("form", OWN)
def test_what_is_odd_goes_through_and_is_counted(tmp_path: Path, form: str) -> None:
    lines: list[Line] = [(f"text {at}", at % 2) for at in range(40)]
    lines[3], lines[5], lines[9], lines[11] = ("", 1), ("long " * 210_000, 1), ("text 8", 1), ("text 10", 0)
    uri = write(tmp_path / "d", OWN[form](lines, "stars")) + f"/faulty.{form}?text=body&label=stars&share=0.5"
    report, tables = fetched(uri, "own", tmp_path)
    found = {(odd["what"]): odd for odd in report["odd"]}
    assert found["empty text"]["count"] == 1
    assert found["text over 100,000 bytes"]["count"] == 1
    assert sum(odd["count"] for odd in report["odd"] if odd["what"] == "duplicate") == 2
    assert sum(odd.get("with_another_label", 0) for odd in report["odd"]) == 1
    assert sum(table.num_rows for table in tables.values()) == 40
    assert max(len(text) for table in tables.values() for text in table["sentence"].to_pylist()) == 1_050_000


@pytest.mark.parametrize("form", OWN)
def test_one_class_only(tmp_path: Path, form: str) -> None:
    lines: list[Line] = [(f"text {at}", "good") for at in range(40)]
    uri = write(tmp_path / "d", OWN[form](lines, "stars")) + f"/faulty.{form}?text=body&label=stars&share=0.5"
    with pytest.raises(BadData, match="every row of train has the label good"):
        fetched(uri, "own", tmp_path)


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("f.csv", b"body,stars\na,1\nb,2,3\n", "row 3: has 3 columns instead of 2"),
        ("f.csv", b"", "Empty CSV file"),
        ("f.csv", b"body,stars\n", "no row is for train"),
        ("f.csv", b"body,stars,body\na,1,b\n", "column 'body' is there 2 times"),
        ("f.jsonl", b'{"body": "a", "stars": 1}\n{"body": "b", "stars"\n', "row 2: is no JSON"),
        ("f.jsonl", b"[1, 2]\n", "row 1: is no JSON object"),
        ("f.jsonl", b'{"body": "a", "stars": 1}\n{"body": "b"}\n', "row 2: column 'stars' is not there; it has body"),
        ("f.jsonl", b'{"body": 7, "stars": 1}\n', "row 1: body 7 is no text"),
        ("f.jsonl", b'{"body": "\\ud800", "stars": 1}\n', "row 1: body is not UTF-8"),
        ("f.jsonl", b'{"body": "a", "stars": [1]}\n', "row 1: stars [1] is not allowed"),
        ("f.jsonl", b'{"body": "' + b"x" * 9_000_000 + b'", "stars": 1}\n', "row 1: is longer than"),
        ("f.jsonl", b'{"body": "a", "stars": 1.5}\n', "row 1: stars 1.5 is not allowed"),
        ("f.parquet", b"PAR1 and then nothing", "is no Parquet file"),
    ],
)
def test_files_that_are_not_what_they_are_called(tmp_path: Path, name: str, body: bytes, reason: str) -> None:
    with pytest.raises(BadData) as caught:
        fetched(write(tmp_path / "d", {name: body}) + f"/{name}?text=body&label=stars", "own", tmp_path)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("a\0b", "c", 1), "sentence1 holds a NUL byte"),
        ((b"a \xff", "c", 1), "sentence1 is not "),
        (("a", None, 1), "sentence2 is missing"),
        (("a", "c", None), "label is missing"),
        (("a", "c", 2), "label 2 is outside 0 to 1"),
        (("a", "c", -1), "label -1 is outside 0 to 1"),
    ],
)
def test_glue_as_parquet(tmp_path: Path, row: tuple[object, ...], reason: str) -> None:
    train = [*rows(MRPC, 12), row, *rows(MRPC, 2, "more")]
    columns = [[held[at] for held in train] for at in range(3)]
    first = pa.array([text if isinstance(text, bytes) else str(text).encode() for text in columns[0]], pa.binary())
    table = pa.table({"sentence1": first.view(pa.string()), "sentence2": columns[1], "label": columns[2]})
    out = io.BytesIO()
    pq.write_table(table, out)
    files = parquet("mrpc", rows(MRPC, 4)) | {"mrpc/train.parquet": out.getvalue()}
    with pytest.raises(BadData) as caught:
        fetched(write(tmp_path / "glue", files), "mrpc", tmp_path)
    assert f"train.parquet: row 13: {reason}" in str(caught.value)


@pytest.mark.parametrize("score", [float("nan"), 5.5])
def test_a_score_that_is_none_as_parquet(tmp_path: Path, score: float) -> None:
    files = parquet("stsb", [*rows(STSB, 12), ("a", "b", score)])
    with pytest.raises(BadData, match=rf"train.parquet: row 13: label {score} is outside 0 to 5"):
        fetched(write(tmp_path / "glue", files), "stsb", tmp_path)


def test_a_column_that_is_not_there_as_parquet(tmp_path: Path) -> None:
    files = parquet("mrpc", rows(MRPC, 4)) | {"mrpc/train.parquet": parquet("qqp", rows(MRPC, 4))["qqp/train.parquet"]}
    with pytest.raises(BadData, match=r"column 'sentence1' is not there; it has question1, question2, label"):
        fetched(write(tmp_path / "glue", files), "mrpc", tmp_path)


def test_a_nul_byte_in_the_classic_layout(tmp_path: Path) -> None:
    files = classic("mrpc", [*rows(MRPC, 5), ("a\0b", "c", 1)])
    with pytest.raises(BadData, match=r"train.tsv: row 7: sentence1 holds a NUL byte"):
        fetched(write(tmp_path / "glue", files), "mrpc", tmp_path)
